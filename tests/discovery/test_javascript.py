from hypothesis import given
from hypothesis import strategies as st

from devproxy.discovery.javascript import block_of, entries, split_top, without_comments


def test_comments_go_and_strings_stay():
    source = "a = 'http://x' // gone\n/* gone */ b = /^\\/\\//"
    assert "gone" not in without_comments(source)
    assert "'http://x'" in without_comments(source)


def test_a_block_ends_at_its_own_brace():
    assert block_of("server: { proxy: { a: '}' }, port: 1 }, x: 2", "server") == " proxy: { a: '}' }, port: 1 "


def test_a_block_that_never_ends_reaches_to_the_end():
    assert block_of("server: { port: 1", "server") == " port: 1"


def test_a_key_inside_another_word_is_not_the_key():
    assert block_of("myserver: { port: 1 }", "server") is None


def test_entries_have_quoted_and_plain_keys():
    block = """'/api': 'http://a', "b-c": { d: 1, e: [1, 2] }, plain: 3, ...rest, [`/t`]: 4"""
    assert dict(entries(block)) == {
        "/api": "'http://a'",
        "b-c": "{ d: 1, e: [1, 2] }",
        "plain": "3",
        "/t": "4",
    }


@given(st.text(alphabet="{}[](),:'\"`\\/*ab \n", max_size=200))
def test_any_text_splits_into_parts_that_hold_all_of_it(text):
    assert ",".join(split_top(text)) == text
    list(entries(without_comments(text)))
