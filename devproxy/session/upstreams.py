"""Upstreams as the control API shows them: what their probes say, and what came of their requests."""

from devproxy.config.model import Probe
from devproxy.control.models import BalancedStatus, UpstreamStatus
from devproxy.proxy.balance import Balanced, Member, Standing


def balanced_status(group: Balanced, now: float) -> BalancedStatus:
    """A group and all that are in it. Args: now: by the loop's clock."""
    return BalancedStatus(
        name=group.name,
        balance=group.balance,
        state=group.state,
        refused=group.refused,
        upstreams=[upstream_status(member.standing, member, now) for member in group.members],
    )


def upstream_status(standing: Standing, member: Member | None, now: float) -> UpstreamStatus:
    """Args: member: what it is in a group, if it is in one."""
    left = standing.ejection.until - now
    return UpstreamStatus(
        name=standing.name,
        state=standing.upstream.state,
        healthy=standing.is_well if standing.probe is not None else None,
        probe=probe_words(standing.probe) if standing.probe is not None else None,
        answer=standing.answer,
        latency_ms=round(standing.latency * 1000, 3) if standing.latency is not None else None,
        requests=member.requests if member is not None else None,
        in_flight=member.in_flight if member is not None else None,
        failures=standing.ejection.failures,
        ejected_for=round(left, 3) if left > 0 else None,
    )


def probe_words(probe: Probe) -> str:
    """What is asked."""
    return f"{probe.method} {probe.path} every {probe.interval_seconds:g} s" if probe.path else "a connection"
