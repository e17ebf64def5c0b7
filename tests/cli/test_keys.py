"""The keys of `devproxy up`."""

from devproxy.cli.keys import Keys, Pressed


def pressed(keys: str, services: tuple[str, ...] = ("web", "api")) -> Pressed:
    """What the last of these keys asks for."""
    reader, last = Keys(services), Pressed()
    for key in keys:
        last = reader.press(key)
    return last


def test_each_key_has_its_act() -> None:
    acts = {key: pressed(key).act for key in "hocq"}
    assert acts == {"h": "help", "o": "open", "c": "clear", "q": "quit"}


def test_r_and_l_ask_which_service() -> None:
    assert "1 web" in pressed("r").question
    assert "2 api" in pressed("l").question
    assert pressed("r2") == Pressed("restart", ("api",))
    assert pressed("l1") == Pressed("filter", ("web",))


def test_a_stands_for_all_and_so_does_the_same_key_again() -> None:
    assert pressed("ra") == pressed("rr") == Pressed("restart")
    assert pressed("la") == Pressed("filter")


def test_a_lone_service_is_restarted_without_a_question() -> None:
    assert pressed("r", ("api",)) == Pressed("restart", ("api",))


def test_services_that_a_reload_brings_are_offered_by_the_next_question() -> None:
    keys = Keys(("web", "api"))
    keys.press("r")
    keys.offer(("db", "web"))
    assert keys.press("2") == Pressed("restart", ("api",))
    keys.offer(("db", "web"))
    assert "1 db" in keys.press("r").question


def test_to_attach_is_to_one_service_or_to_the_one_that_asks() -> None:
    assert "a who asks  1 web  2 api" in pressed("a").question
    assert pressed("a2") == Pressed("attach", ("api",))
    assert pressed("aa") == pressed("a\r") == Pressed("attach")
    assert pressed("a", ("api",)) == Pressed("attach", ("api",))
    assert pressed("ax") == Pressed()


def test_any_other_key_answers_with_nothing_and_the_next_one_is_a_key_again() -> None:
    assert pressed("rx") == pressed("r9") == pressed("r\u0661") == Pressed()
    assert pressed("rxq").act == "quit"
