"""Where the script goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.spa.inject import insert_script, script_tag

TAG = b"<TAG>"


@pytest.mark.parametrize(
    "document",
    [
        "<html><head><title>x</title>|</head><body></body></html>",
        "<HTML><HEAD>|</HEAD ><BODY></BODY></HTML>",
        "<head><!-- </head> -->|</head>",
        '<head><script>var a = "</head>";</script>|</head>',
        "<head><style>/* </head> */</style><title></head></title>|</head>",
        '<!doctype html><title>x</title>|<body class="a">hi',
        "<!DOCTYPE html>|<h1>hi</h1>",
        "\ufeff<!doctype html>\n<!-- note -->\n<html lang='en'>|<p>hi",
        "|<h1>hi</h1>",
        "|",
        "<!doctype html><html><head>|<p>never closed",
        "<header>no head</header>|<body>",
        '<head><meta http-equiv="Content-Security-Policy" content="script-src \'self\'">|</head>',
        '<head><script type="importmap">{}</script><script type="module" src="/a.js"></script>|</head>',
    ],
)
def test_the_script_goes_where_the_bar_is(document: str) -> None:
    before, _, after = document.encode().partition(b"|")
    assert insert_script(before + after, TAG) == before + TAG + after


def test_a_document_that_has_the_script_is_left_alone() -> None:
    document = insert_script(b"<head></head>", script_tag())
    assert insert_script(document, script_tag("2")) == document


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "shift_jis", "koi8-r", "gb18030", "euc-kr"])
def test_encodings_with_asciis_letters_are_understood(encoding: str) -> None:
    text = "<head><title>{}</title></head>".format("é" if encoding == "latin-1" else "日本"[: encoding != "koi8-r"])
    document = text.encode(encoding)
    assert insert_script(document, TAG).decode(encoding) == text.replace("</head>", "<TAG></head>")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_left_alone(encoding: str) -> None:
    document = "\ufeff<head></head>".encode(encoding)
    assert insert_script(document, TAG) == document


@given(st.binary(max_size=200))
def test_nothing_of_any_document_is_lost(document: bytes) -> None:
    done = insert_script(document, TAG)
    assert done.replace(TAG, b"", 1) == document


def test_the_version_is_escaped() -> None:
    assert (
        script_tag('"><b>') == b'<script src="/__devproxy/client.js" data-version="&quot;&gt;&lt;b&gt;" async></script>'
    )
