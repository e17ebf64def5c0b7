"""The session's token, its cookie, its tickets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.control.access import MAX_TICKETS, Caller, Keys, Refused, check, find_cookie, same_secret


def caller(**said: object) -> Caller:
    usual = {
        "method": "GET",
        "local": False,
        "host": "localhost:4400",
        "origin": None,
        "fetch_site": None,
        "authorization": None,
        "cookie": None,
    }
    return Caller(**{**usual, **said})


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_token_has_32_random_bytes() -> None:
    assert len(Keys().token) == 43  # 32 bytes in base64url
    assert Keys().token != Keys().token


def test_the_token_does_not_show_when_keys_are_printed() -> None:
    keys = Keys()
    keys.issue_ticket()
    assert keys.token not in repr(keys)
    assert "tickets" not in repr(keys)


def test_the_cookie_is_no_bearer_token_and_the_token_no_cookie() -> None:
    keys = Keys()
    assert not keys.knows(caller(authorization=f"Bearer {keys.cookie}"))
    assert not keys.knows(caller(cookie=keys.token))


def test_the_bearer_scheme_is_read_in_any_case() -> None:
    keys = Keys()
    assert keys.knows(caller(authorization=f"bearer {keys.token}"))
    assert not keys.knows(caller(authorization=f"Basic {keys.token}"))


def test_a_ticket_is_worth_one_login() -> None:
    keys = Keys()
    ticket = keys.issue_ticket()
    assert keys.redeem(ticket)
    assert not keys.redeem(ticket)


def test_a_ticket_expires() -> None:
    clock = Clock()
    keys = Keys(clock=clock)
    ticket = keys.issue_ticket(60)
    clock.now += 60
    assert not keys.redeem(ticket)


def test_an_unused_ticket_outlives_the_next_one() -> None:
    keys = Keys()
    printed = keys.issue_ticket(12 * 3600)
    keys.issue_ticket(60)
    assert keys.redeem(printed)


def test_tickets_are_bounded_and_the_oldest_goes_first() -> None:
    keys = Keys()
    tickets = [keys.issue_ticket() for _ in range(MAX_TICKETS + 1)]
    assert not keys.redeem(tickets[0])
    assert keys.redeem(tickets[1])


@pytest.mark.parametrize("origin", ["http://localhost:4400", "https://localhost:4400", None])
def test_our_own_origin_passes_also_behind_a_tunnel_that_ends_tls(origin: str | None) -> None:
    check(caller(method="POST", local=True, origin=origin), "S", Keys())


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:4400", "null", "", "http://["])
def test_any_other_origin_is_refused(origin: str) -> None:
    with pytest.raises(Refused) as refused:
        check(caller(method="POST", local=True, origin=origin), "T", Keys())
    assert refused.value.status == 403


@given(st.text())
def test_no_text_is_taken_for_a_secret_that_it_is_not(text: str) -> None:
    assert same_secret(text, "a-secret") == (text == "a-secret")


@given(st.text(alphabet="abc=; \t", max_size=30), st.text(alphabet="xyz", min_size=1))
def test_a_cookie_is_found_among_others(others: str, value: str) -> None:
    assert find_cookie(f"{others}; mine={value}", "mine") == value


def test_a_cookie_is_not_found_in_anothers_value() -> None:
    assert find_cookie("theirs=mine=1; notmine=2", "mine") is None
    assert find_cookie(None, "mine") is None
