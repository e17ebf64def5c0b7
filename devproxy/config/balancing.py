"""`balance`, `probe` and `max_requests`: what services and routes say of their upstreams."""

from typing import Literal

from devproxy.config.model import Balance, MaxRequests, Probe
from devproxy.config.schema import Table, fits

LEAST_INTERVAL_SECONDS = 0.1

_TARGET = r"/[\x21\x22\x24-\x7e]*"  # visible ASCII without "#"


def read_balance(table: Table, *, several: bool, instead: str) -> Balance:
    """How requests are shared out. Args: instead: what to do where there is nothing to share."""
    balance: Balance = table.choice("balance", "round-robin", Balance)
    if table.has("balance") and not several:
        table.wrong("balance", f"there is only one upstream: {instead}")
    return balance


def read_probe(table: Table) -> Probe | None:
    probe: Probe | None = table.section("probe", probe_from, None)
    return probe


def probe_from(table: Table) -> Probe:
    default = Probe()
    interval = table.seconds("interval_seconds", default.interval_seconds, above_zero=True)
    if interval < LEAST_INTERVAL_SECONDS:
        table.wrong("interval_seconds", f"expected {LEAST_INTERVAL_SECONDS} or more; got {interval:g}")
    return Probe(
        path=table.text("path", default.path, 'a path such as "/health"', fits(_TARGET)),
        method=table.choice("method", default.method, Literal["HEAD", "GET"]),
        interval_seconds=interval,
        timeout_seconds=table.seconds("timeout_seconds", default.timeout_seconds, above_zero=True),
    )


def read_max_requests(table: Table) -> MaxRequests | None:
    most: MaxRequests | None = table.section("max_requests", max_requests_from, None)
    return most


def max_requests_from(table: Table) -> MaxRequests:
    most = MaxRequests(
        in_flight=table.integer("in_flight", None, 1),
        per_second=table.integer("per_second", None, 1),
        over=table.choice("over", "refuse", Literal["refuse", "next"]),
    )
    if not (table.has("in_flight") or table.has("per_second")):
        table.problem("expected in_flight, per_second or both: how many?")
    return most
