"""Puts the live-reload script into an HTML document. Pure, on bytes.

Works on every encoding that has ASCII's letters where ASCII has them (all that browsers still read,
except UTF-16, which is left alone). Nothing else in the document changes; a policy in a
<meta http-equiv="Content-Security-Policy"> stays as it is, and `'self'` admits the script.
"""

import re
from html import escape

SCRIPT_PATH = "/__devproxy/client.js"

_UTF16 = (b"\xff\xfe", b"\xfe\xff")

# What may hold "</head>" without ending the head is passed over whole.
_TOKEN = re.compile(
    rb"<!--.*?-->"
    rb"|<(script|style|title|textarea|noscript|template)\b.*?</\1\s*>"
    rb"|(?P<place></head\s*>|<body\b)",
    re.IGNORECASE | re.DOTALL,
)

# A document without head and body tags: after what must stand first (a doctype after a script is none).
_START = re.compile(
    rb"\xef\xbb\xbf|\s+|<!--.*?-->|<!doctype[^>]*>|<\?xml[^>]*>|<html\b[^>]*>|<head\b[^>]*>",
    re.IGNORECASE | re.DOTALL,
)


def script_tag(version: str = "") -> bytes:
    """The tag to insert. version: of the content, so that the page can tell when it is outdated."""
    stated = f' data-version="{escape(version)}"' if version else ""
    return f'<script src="{SCRIPT_PATH}"{stated} async></script>'.encode()


def insert_script(document: bytes, tag: bytes) -> bytes:
    """The document with `tag` before </head> (else before <body>, else at its start), once."""
    if document.startswith(_UTF16) or SCRIPT_PATH.encode() in document:
        return document
    place = _place(document)
    return document[:place] + tag + document[place:]


def _place(document: bytes) -> int:
    for token in _TOKEN.finditer(document):
        if token["place"] is not None:
            return token.start()
    place = 0
    while match := _START.match(document, place):
        place = match.end()
    return place
