"""Whose a port is, from the facts about its holder."""

from dataclasses import replace
from pathlib import Path

import pytest

from devproxy.ports.facts import Context, Holder, Judged, LiveSession, Process, Recorded
from devproxy.ports.records import ChildRecord
from devproxy.ports.verdict import judge
from devproxy.ports.whose import Whose, is_dev, whose

ROOT, BLOG, ME = Path("/home/me/shop"), Path("/home/me/blog"), 1000
INIT = Process(1, 0.1, "systemd", ("/sbin/init",), uid=0, pgid=1)
EDITOR = Process(700, 2.0, "code", ("code",), uid=ME, pgid=700)
SERVER = Process(4000, 40.0, "python", ("python", "a.py"), ROOT, ROOT, uid=ME, username="me", ppid=1, pgid=4000)
CONTEXT = Context(ROOT, ME, own=frozenset({801}), own_pid=801, boot_id="boot")
RECORD = ChildRecord("api", 4000, 40.0, "boot", 4000, (8000,), 600, 30.0, str(ROOT))
RUNNING = replace(CONTEXT, records=(Recorded(RECORD, True, session_lives=True, child_lives=True),))
GONE = replace(CONTEXT, records=(Recorded(RECORD, True, session_lives=False),))
SESSION = replace(CONTEXT, sessions=(LiveSession(4000, str(BLOG), is_this_root=False),))
PROXY = replace(SERVER, name="docker-proxy", cmdline=("docker-proxy",), uid=0)


def judged(process: Process | None, context: Context = CONTEXT, *above: Process, **facts: object) -> Judged:
    holder = replace(Holder(8000, process, ancestors=above or (EDITOR, INIT)), **facts)
    return Judged(holder, judge(holder, context))


@pytest.mark.parametrize(
    ("found", "context", "it"),
    [
        (judged(SERVER), CONTEXT, Whose("project", root=str(ROOT))),
        (judged(replace(SERVER, project=None, cwd=ROOT / "x")), CONTEXT, Whose("project", root=str(ROOT))),
        (judged(replace(SERVER, project=BLOG)), CONTEXT, Whose("other", root=str(BLOG))),
        (judged(replace(SERVER, project=None, cwd=None)), CONTEXT, Whose("other")),
        (judged(SERVER, CONTEXT, INIT), CONTEXT, Whose("left", root=str(ROOT))),
        (judged(SERVER, GONE), GONE, Whose("left", "api", str(ROOT))),
        (judged(SERVER, RUNNING), RUNNING, Whose("service", "api", str(ROOT))),
        (judged(SERVER, SESSION), SESSION, Whose("devproxy", root=str(BLOG))),
        (judged(PROXY), CONTEXT, Whose("container")),
        (judged(PROXY, container="db-1"), CONTEXT, Whose("container", "db-1")),
        (judged(None, container="db-1"), CONTEXT, Whose("container", "db-1")),
        (judged(replace(SERVER, uid=0, username="root")), CONTEXT, Whose("user", "root")),
        (judged(None, uid=0, username="root"), CONTEXT, Whose("user", "root")),
        (judged(None, uid=ME, username="me"), CONTEXT, Whose("unseen")),
        (judged(None), CONTEXT, Whose("unseen")),
    ],
)
def test_whose_it_is_follows_from_the_facts(found: Judged, context: Context, it: Whose) -> None:
    assert whose(found, context) == it


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (judged(SERVER), True),
        (judged(PROXY), True),
        (judged(None, uid=ME), True),
        (judged(SERVER, port=80), False),
        (judged(replace(SERVER, is_unit=True)), False),
        (judged(replace(SERVER, uid=0, username="root")), False),
        (judged(None, uid=0), False),
        (judged(None), False),
    ],
)
def test_what_is_of_interest_while_developing(found: Judged, shown: bool) -> None:
    assert is_dev(found, CONTEXT) == shown
