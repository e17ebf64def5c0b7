"""May a holder be ended? Orphans, recycled pids, other boots, recorded groups, containers, other users, ancestors."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.ports.facts import Context, Holder, LiveSession, Process, Recorded, Verdict
from devproxy.ports.records import ChildRecord
from devproxy.ports.verdict import is_container_proxy, is_init, judge

ROOT = Path("/home/me/shop")
ME = 1000
INIT = Process(1, 0.1, "systemd", ("/sbin/init",), uid=0, pgid=1)
USER_SYSTEMD = Process(900, 1.0, "systemd", ("/usr/lib/systemd/systemd", "--user"), uid=ME, pgid=900)
EDITOR = Process(700, 2.0, "code", ("/usr/share/code/code",), Path("/home/me"), None, uid=ME, pgid=700)
SERVER = Process(
    4000, 40.0, "python", ("python", "app.py"), ROOT / "api", ROOT, uid=ME, username="me", ppid=1, pgid=4000
)
CONTEXT = Context(ROOT, ME, own=frozenset({1, 700, 800, 801}), own_pid=801, boot_id="boot")


def holder(process: Process | None = SERVER, *ancestors: Process, container: str = "") -> Holder:
    return Holder(8000, process, ("127.0.0.1",), ancestors or (INIT,), container)


def recorded(lives: bool, here: bool = True, child_lives: bool = False, **other: object) -> Context:
    record = ChildRecord("api", 4000, 40.0, "boot", 4000, (8000,), 600, 30.0, "/home/me/shop")
    record = replace(record, **other)
    return replace(CONTEXT, records=(Recorded(record, here, lives, child_lives),))


# -- ours ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adopter", [INIT, USER_SYSTEMD, replace(INIT, pid=77, cmdline=("/init",))])
def test_an_orphan_of_this_root_is_ours(adopter: Process) -> None:
    assert judge(holder(SERVER, adopter), CONTEXT).kind == "ours"


def test_the_worker_of_an_orphaned_reloader_is_ours() -> None:
    worker = replace(SERVER, pid=4001, ppid=4000)
    assert judge(holder(worker, SERVER, INIT), CONTEXT).kind == "ours"


def test_an_orphan_below_an_unmarked_root_is_ours() -> None:
    assert judge(holder(replace(SERVER, project=None)), CONTEXT).kind == "ours"


def test_a_recorded_child_of_a_session_that_is_gone_is_ours_whatever_its_folder() -> None:
    moved = replace(SERVER, cwd=Path("/"), project=None, has_terminal=True)
    verdict = judge(holder(moved, EDITOR, INIT), recorded(lives=False))
    assert verdict.kind == "ours"
    assert "'api'" in verdict.reason


def test_a_descendant_of_a_recorded_child_is_ours() -> None:
    below = replace(SERVER, pid=4005, create_time=41.0, ppid=4000, cwd=Path("/"), project=None)
    assert judge(holder(below, SERVER, INIT), recorded(lives=False)).kind == "ours"


def test_the_rest_of_a_recorded_group_is_ours() -> None:
    rest = replace(SERVER, pid=4005, create_time=41.0, cwd=Path("/"), project=None)
    assert judge(holder(rest), recorded(lives=False, child_lives=True)).kind == "ours"


def test_what_our_own_dead_child_left_is_ours() -> None:
    rest = replace(SERVER, pid=4005, create_time=41.0)
    assert judge(holder(rest), recorded(lives=True, session_pid=801)).kind == "ours"


# -- not ours, although it looks like it --------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"has_terminal": True}, "neighbour"),
        ({"is_unit": True}, "neighbour"),
        ({"project": ROOT / ".worktrees" / "x", "cwd": ROOT / ".worktrees" / "x"}, "stranger"),
        ({"project": Path("/home/me/blog"), "cwd": Path("/home/me/blog")}, "stranger"),
        ({"project": None, "cwd": Path("/home/me")}, "stranger"),
        ({"project": None, "cwd": None}, "stranger"),
        ({"project": None, "cwd": Path("/home/me/shopping")}, "stranger"),
    ],
)
def test_an_orphan_is_ours_only_if_everything_fits(change: dict[str, object], kind: str) -> None:
    changed = replace(SERVER, **change)
    assert judge(holder(changed), CONTEXT).kind == kind


def test_a_session_in_the_background_is_no_orphan() -> None:
    """It looks like one: no terminal, and only init above it."""
    assert judge(holder(), CONTEXT).kind == "ours"
    here = replace(CONTEXT, sessions=(LiveSession(SERVER.pid, str(ROOT), is_this_root=True),))
    assert judge(holder(), here) == Verdict("neighbour", "the devproxy that runs for this project")
    assert judge(holder(), here).hint == "devproxy down"
    there = replace(CONTEXT, sessions=(LiveSession(SERVER.pid, "/home/me/my shop", is_this_root=False),))
    assert judge(holder(), there).hint == "devproxy down -C '/home/me/my shop'"


def test_a_live_process_of_this_root_is_a_neighbour() -> None:
    assert judge(holder(SERVER, EDITOR, INIT), CONTEXT).kind == "neighbour"


def test_in_a_home_directory_nothing_is_an_orphan_of_ours() -> None:
    broad = replace(CONTEXT, root=Path("/home/me"), root_is_broad=True)
    assert judge(holder(replace(SERVER, project=None)), broad).kind == "neighbour"


@pytest.mark.parametrize("other", [{"boot_id": "earlier"}, {"create_time": 39.0}, {"pid": 4444, "pgid": 4444}])
def test_a_record_of_another_process_says_nothing(other: dict[str, object]) -> None:
    assert judge(holder(SERVER, EDITOR, INIT), recorded(lives=False, **other)).kind == "neighbour"


def test_a_group_number_that_was_given_to_others_says_nothing() -> None:
    leader = replace(SERVER, create_time=99.0)  # has the recorded pid and group, but is another process
    member = replace(SERVER, pid=4005, create_time=100.0, ppid=4000)
    assert judge(holder(member, leader, EDITOR, INIT), recorded(lives=False)).kind == "neighbour"


def test_a_service_of_a_live_session_here_is_a_neighbour_and_can_be_stopped_by_name() -> None:
    verdict = judge(holder(), recorded(lives=True, child_lives=True))
    assert (verdict.kind, verdict.hint) == ("neighbour", "devproxy stop api")


def test_a_service_of_another_projects_session_is_a_neighbour_and_named() -> None:
    verdict = judge(holder(), recorded(lives=True, here=False, child_lives=True, root="/home/me/my blog"))
    assert verdict.kind == "neighbour"
    assert "/home/me/my blog" in verdict.reason
    assert verdict.hint == "devproxy stop -C '/home/me/my blog' api"


def test_what_another_projects_session_left_is_a_stranger() -> None:
    assert judge(holder(), recorded(lives=False, here=False)).kind == "stranger"


def test_a_process_of_another_project_is_a_stranger_and_its_project_is_named() -> None:
    blog = replace(SERVER, cwd=Path("/home/me/blog/x"), project=Path("/home/me/blog"))
    verdict = judge(holder(blog, EDITOR, INIT), CONTEXT)
    assert verdict.kind == "stranger"
    assert "/home/me/blog" in verdict.reason


# -- untouchable --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "process",
    [
        None,
        INIT,
        replace(SERVER, pid=801),  # ourselves
        replace(SERVER, pid=800),  # our parent
        replace(SERVER, uid=0, username="root"),
        replace(SERVER, uid=None),  # set-uid, or not to be seen
        replace(SERVER, create_time=None),
        replace(SERVER, name="docker-proxy", cmdline=("/usr/bin/docker-proxy", "-proto", "tcp")),
        replace(SERVER, name="rootlesskit", cmdline=("rootlesskit", "--net=slirp4netns")),
        replace(SERVER, name="com.docker.backend", cmdline=("/Applications/Docker.app/x/com.docker.backend",)),
        replace(SERVER, name="OrbStack Helper", cmdline=("/Applications/OrbStack.app/x/OrbStack Helper",)),
        replace(SERVER, name="rootlessport", cmdline=("rootlessport",)),
        replace(SERVER, name="gvproxy", cmdline=("/usr/libexec/podman/gvproxy",)),
    ],
)
def test_some_are_never_touched(process: Process | None) -> None:
    for context in (CONTEXT, recorded(lives=False)):
        verdict = judge(holder(process), context)
        assert verdict.kind == "untouchable"
        assert verdict.reason


def test_a_process_inside_a_container_is_never_touched() -> None:
    shim = Process(300, 3.0, "containerd-shim-runc-v2", uid=0)
    assert judge(holder(SERVER, shim, INIT), CONTEXT).kind == "untouchable"


def test_the_container_is_named_with_the_command_that_stops_it() -> None:
    for process in (None, replace(SERVER, name="docker-proxy", cmdline=("docker-proxy",))):
        verdict = judge(holder(process, container="shop-db-1"), CONTEXT)
        assert "shop-db-1" in verdict.reason
        assert verdict.hint == "docker stop shop-db-1"


def test_a_program_that_only_mentions_docker_is_no_container_proxy() -> None:
    assert not is_container_proxy(replace(SERVER, cmdline=("python", "docker-proxy.py")))
    assert not is_container_proxy(replace(SERVER, name="orbital", cmdline=("orbital",)))


@pytest.mark.parametrize("name", ["tmux: server", "code", "bash", "systemd-run", "node"])
def test_only_inits_adopt_orphans(name: str) -> None:
    assert not is_init(Process(500, 1.0, name, (name,)))


# -- always -------------------------------------------------------------------------------------------

paths = st.sampled_from([None, ROOT, ROOT / "api", ROOT / "nested", Path("/home/me"), Path("/")])
processes = st.builds(
    Process,
    pid=st.sampled_from([1, 700, 800, 801, 4000, 4001, 4002]),
    create_time=st.sampled_from([None, 40.0, 41.0]),
    name=st.sampled_from(["python", "node", "docker-proxy", "systemd", "sh"]),
    cmdline=st.sampled_from([(), ("sh", "-c", "x"), ("npm run dev",), ("python", "a.py")]),
    cwd=paths,
    project=paths,
    uid=st.sampled_from([None, 0, ME]),
    ppid=st.sampled_from([0, 1, 700, 4000]),
    pgid=st.sampled_from([0, 4000, 4001]),
    has_terminal=st.booleans(),
    is_unit=st.booleans(),
    children=st.integers(0, 3),
)
holders = st.builds(
    Holder, st.just(8000), st.none() | processes, st.just(()), st.lists(processes, max_size=3).map(tuple)
)
contexts = st.booleans().flatmap(
    lambda lives: st.sampled_from([CONTEXT, recorded(lives), recorded(lives, here=False, child_lives=True)])
)


@given(holders, contexts)
def test_whatever_the_facts_only_processes_of_this_user_below_none_of_ours_may_be_ended(
    facts: Holder, context: Context
) -> None:
    verdict = judge(facts, context)
    assert verdict.reason
    if verdict.kind != "untouchable":
        assert facts.process is not None
        assert facts.process.uid == ME
        assert facts.process.pid not in context.own
        assert facts.process.identity is not None


@given(holders)
def test_without_a_record_nothing_outside_this_root_is_ours(facts: Holder) -> None:
    if judge(facts, CONTEXT).kind == "ours":
        assert facts.process is not None
        assert facts.process.cwd is None or facts.process.project == ROOT or facts.process.cwd.is_relative_to(ROOT)
        assert not facts.process.has_terminal
