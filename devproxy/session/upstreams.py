"""Upstreams as the control API shows them: what their probes say, and what came of their requests."""

from devproxy.control.models import BalancedStatus, UpstreamStatus
from devproxy.proxy.balance import Balanced, Member


def balanced_status(group: Balanced, now: float) -> BalancedStatus:
    """A group and all that are in it. Args: now: by the loop's clock."""
    return BalancedStatus(
        name=group.name,
        balance=group.balance,
        state=group.state,
        refused=group.refused,
        upstreams=[upstream_status(member, now) for member in group.members],
    )


def upstream_status(member: Member, now: float) -> UpstreamStatus:
    left = member.ejection.until - now
    return UpstreamStatus(
        name=member.name,
        state=member.upstream.state,
        healthy=member.is_well if member.probe is not None else None,
        probe=probe_words(member),
        answer=member.answer,
        latency_ms=round(member.latency * 1000, 3) if member.latency is not None else None,
        requests=member.requests,
        in_flight=member.in_flight,
        failures=member.ejection.failures,
        ejected_for=round(left, 3) if left > 0 else None,
    )


def probe_words(member: Member) -> str | None:
    """What it is asked; None: nothing."""
    probe = member.probe
    if probe is None:
        return None
    return f"{probe.method} {probe.path} every {probe.interval_seconds:g} s" if probe.path else "a connection"
