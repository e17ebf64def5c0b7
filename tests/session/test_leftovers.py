"""What an earlier session's record allows the next one to end, and nothing else: no recycled pid, no other boot."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from devproxy.ports import identity, killed, records
from devproxy.ports.records import ChildRecord
from devproxy.session import leftovers
from tests.processes.stage import STAY
from tests.session.conftest import Start
from tests.support import until
from tests.support.devproxy import is_alive

MARK = os.urandom(4).hex()
"""A session's, and of no other one that these tests have beside us."""


def record_of(pid: int, *, session: int | None = None) -> ChildRecord:
    """A record of this child, by a session that is gone, or by the process that is named."""
    child = identity.of(pid)
    owner = identity.of(session) if session is not None else None
    assert child is not None
    return ChildRecord(
        service="api",
        pid=pid,
        create_time=child.create_time,
        boot_id=identity.boot_id(),
        pgid=pid,
        ports=(8000,),
        session_pid=owner.pid if owner else 2**22 - 1,
        session_create_time=owner.create_time if owner else 1.0,
    )


def end_leftovers(state: Path, *found: ChildRecord) -> list[str]:
    """Let a new session find these records; what it says."""
    records.save(state, found)
    said: list[str] = []
    leftovers.end_leftovers(state, state, said.append)
    return said


def test_what_a_dead_session_has_left_is_ended_and_that_is_said(tmp_path: Path, start: Start) -> None:
    child = start()
    assert end_leftovers(tmp_path, record_of(child.pid)) == [
        f"ending what an earlier session left running: api (pid {child.pid})"
    ]
    assert child.wait(20) == -signal.SIGTERM


def test_what_was_ended_is_written_down_with_the_reason(tmp_path: Path, start: Start) -> None:
    child, state = start(), tmp_path / "state"
    state.mkdir()
    end_leftovers(state, record_of(child.pid))
    child.wait(20)
    [entry] = killed.read(tmp_path)
    assert (entry["pid"], entry["port"], entry["signal"], entry["verdict"]) == (child.pid, 8000, "SIGTERM", "ours")
    assert entry["command"] == "the service 'api'"


def test_its_whole_group_goes(tmp_path: Path, start: Start) -> None:
    source = (
        "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True); import signal; signal.pause()"
    )
    child = start(source)
    [grandchild] = [one.pid for one in psutil.Process(child.pid).children()]
    end_leftovers(tmp_path, record_of(child.pid))
    until(lambda: not is_alive(grandchild))


def test_one_that_does_not_listen_is_killed(tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devproxy.session.leftovers.GRACE_SECONDS", 0.2)
    child = start(STAY, "SIGTERM")
    end_leftovers(tmp_path, record_of(child.pid))
    assert child.wait(20) == -signal.SIGKILL


def test_a_bystander_with_a_recycled_pid_lives(tmp_path: Path, start: Start) -> None:
    bystander = start()
    record = record_of(bystander.pid)
    assert end_leftovers(tmp_path, replace(record, create_time=record.create_time - 1)) == []
    assert bystander.poll() is None


def test_a_record_from_before_a_reboot_proves_nothing(tmp_path: Path, start: Start) -> None:
    bystander = start()
    assert end_leftovers(tmp_path, replace(record_of(bystander.pid), boot_id="another boot")) == []
    assert bystander.poll() is None


def test_a_child_of_a_session_that_lives_is_left_alone(tmp_path: Path, start: Start) -> None:
    child = start()
    assert end_leftovers(tmp_path, record_of(child.pid, session=os.getpid())) == []
    assert child.poll() is None


def test_one_that_leads_no_group_takes_nobody_with_it(tmp_path: Path, start: Start) -> None:
    """A record can be wrong about that: then the group is somebody else's, here the tests' own."""
    child = start(group=False)
    end_leftovers(tmp_path, replace(record_of(child.pid), pgid=os.getpgrp()))
    assert child.poll() is None


@pytest.mark.parametrize(
    "text", ["", "{", '{"schema": 99, "children": []}', '{"schema": 1, "children": [{"pid": "x"}]}']
)
def test_a_torn_or_foreign_record_is_no_obstacle(tmp_path: Path, text: str) -> None:
    (tmp_path / records.FILE).write_text(text)
    said: list[str] = []
    leftovers.end_leftovers(tmp_path, tmp_path, said.append)
    assert said == []


def test_what_carries_the_recorded_sessions_name_is_ended_wherever_it_has_gone(tmp_path: Path, start: Start) -> None:
    """Its guard was killed before it: only the record is left of the session."""
    gone, stray, other = start(), start(mark=MARK), start(mark=f"{MARK}9")
    record = replace(record_of(gone.pid), mark=MARK)
    gone.kill()
    gone.wait()
    assert len(end_leftovers(tmp_path, record)) == 1
    assert stray.wait(20) == -signal.SIGTERM
    assert other.poll() is None


def test_who_is_older_than_the_session_was_not_started_by_it_whatever_its_environment_says(
    tmp_path: Path, start: Start
) -> None:
    gone, older = start(), start(mark=MARK)
    created = identity.of(older.pid)
    assert created is not None
    record = replace(record_of(gone.pid), mark=MARK, session_create_time=created.create_time + 1)
    gone.kill()
    gone.wait()
    assert end_leftovers(tmp_path, record) == []
    assert older.poll() is None


def test_we_are_not_ended_ourselves_when_we_run_below_such_a_one(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a shell that a service of the session had opened."""
    gone = start()
    record = replace(record_of(gone.pid), mark=MARK)
    gone.kill()
    gone.wait()
    source = """
import os, signal, subprocess, sys
print("here", flush=True)
records = sys.argv[1]
inner = "from pathlib import Path; from devproxy.session.leftovers import end_leftovers; end_leftovers(Path(" + repr(records) + "), Path('/'), print); print('lives')"
done = subprocess.run([sys.executable, "-c", inner], capture_output=True, text=True)
print(done.stdout.strip(), done.stderr, flush=True)
"""
    records.save(tmp_path, [record])
    shell = start(source, str(tmp_path), mark=MARK)
    assert shell.stdout is not None
    assert shell.stdout.readline().strip() == "lives"


def test_an_orphan_on_record_is_ended_alone(tmp_path: Path, start: Start) -> None:
    """Of its group nothing is known."""
    orphan = start(group=False)
    end_leftovers(tmp_path, replace(record_of(orphan.pid), pgid=0, service=""))
    assert orphan.wait(20) == -signal.SIGTERM


def test_one_that_was_stopped_is_ended_politely(tmp_path: Path, start: Start) -> None:
    child = start()
    child.send_signal(signal.SIGSTOP)
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED)
    end_leftovers(tmp_path, record_of(child.pid))
    assert child.wait(20) == -signal.SIGTERM
