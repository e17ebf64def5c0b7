"""`devproxy kill-port`, as people and scripts run it: real holders, the real command."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devproxy.cli.kill_port import age_words, decide, parse_ports, parse_signal, ports_words
from devproxy.errors import UsageError
from devproxy.ports.facts import Holder, Judged, Kind, Process, Verdict
from devproxy.ports.probe import is_free
from tests.ports.children import CLIENT, DEAF, DUAL, IPV4, LISTEN, Children, closed_server
from tests.support import free_port, until
from tests.support.devproxy import devproxy, is_alive

COMMAND = [sys.executable, "-m", "devproxy", "kill-port"]

# Listens, and runs the command that its arguments name from inside.
ANCESTOR = (
    LISTEN
    + """
import subprocess
a = listen('127.0.0.1')
done = subprocess.run(sys.argv[2:] + [str(port)], capture_output=True, text=True)
print("ready", flush=True)
print(done.returncode, done.stderr.replace("\\n", " "), flush=True)
ready()
"""
)


def kill_port(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return devproxy(cwd, ["kill-port", *map(str, arguments)])


def ports_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    report = json.loads(done.stdout)
    assert report["schema"] == 1
    found: list[dict[str, Any]] = report["ports"]
    return found


def test_a_free_port_is_done_at_once(repo: Path) -> None:
    port = free_port()
    done = kill_port(port, cwd=repo)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"nothing listens on port {port}\n", "")


def test_a_free_port_costs_no_import_of_what_only_a_held_one_needs(repo: Path) -> None:
    code = (
        "import sys; from devproxy.cli.app import invoke;"
        f"code = invoke(['kill-port', '{free_port()}']);"
        "print(code, sorted({'psutil', 'rich', 'asyncio', 'httpx', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_an_orphan_of_this_project_goes_without_a_question(children: Children, repo: Path) -> None:
    port = free_port()
    pid = children.orphan(IPV4, port, cwd=repo)
    done = kill_port(port, cwd=repo)
    assert done.returncode == 0, done.stderr
    assert f"pid {pid}" in done.stdout
    assert "ours" in done.stdout
    assert f"port {port} is free again" in done.stdout
    assert not is_alive(pid)
    assert is_free(port)


def test_without_a_terminal_a_stranger_stays_and_the_way_to_end_it_is_said(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(IPV4, port)
    done = kill_port(port, cwd=repo)
    assert done.returncode == 3
    assert f"pid {process.pid}" in done.stdout
    assert f"devproxy kill-port {port} --yes" in done.stderr
    assert is_alive(process.pid)


def test_who_listens_is_shown_with_command_folder_age_and_project(children: Children, repo: Path) -> None:
    port = free_port()
    (repo / "api").mkdir()
    process = children.start(DUAL, port, cwd=repo / "api")
    shown = kill_port(port, "--dry-run", cwd=repo).stdout
    for fact in (f"pid {process.pid}", f".py {port}", str(repo / "api"), "s old", f"project {repo}", "::"):
        assert fact in shown
    assert "neighbour: a running process of this project" in shown
    assert "\x1b" not in shown


def test_yes_ends_a_stranger_politely_and_leaves_clients_alone(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(IPV4, port)
    client = children.start(CLIENT, port)
    assert kill_port(port, "--yes", cwd=repo).returncode == 0
    assert process.wait(20) == -signal.SIGTERM
    assert is_alive(client.pid)


def test_force_kills_at_once(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(DEAF, port)
    assert kill_port(port, "--force", cwd=repo).returncode == 0
    assert process.wait(20) == -signal.SIGKILL


def test_a_dry_run_ends_nothing_not_even_with_force(children: Children, repo: Path) -> None:
    port = free_port()
    pid = children.orphan(IPV4, port, cwd=repo)
    done = kill_port(port, "--dry-run", "--force", cwd=repo)
    assert done.returncode == 0
    assert f"pid {pid}" in done.stdout
    assert "dry run: it would be ended" in done.stdout
    assert is_alive(pid)


def test_each_of_several_ports_has_its_own_outcome(children: Children, repo: Path) -> None:
    free, ours, strange = free_port(), free_port(), free_port()
    children.orphan(IPV4, ours, cwd=repo)
    stranger = children.start(IPV4, strange)
    done = kill_port(free, ours, strange, ours, "--json", cwd=repo)
    assert done.returncode == 3
    assert [(one["port"], one["action"], one["free"], one["freed"]) for one in ports_of(done)] == [
        (free, "none", True, False),
        (ours, "freed", True, True),
        (strange, "refused", False, False),
    ]
    assert is_alive(stranger.pid)


def test_json_is_one_object_with_the_facts_of_each_holder(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(IPV4, port, cwd=repo)
    done = kill_port(port, "--json", "--dry-run", cwd=repo)
    [one] = ports_of(done)
    [holder] = one["holders"]
    assert done.returncode == 0
    assert one["action"] == "would-ask"
    assert holder["pid"] == process.pid
    assert holder["cwd"] == holder["project"] == str(repo)
    assert holder["verdict"] == "neighbour"
    assert holder["command"].endswith(f" {port}")
    assert 0 <= holder["age_seconds"] < 60


def test_another_folders_point_of_view_is_taken_with_C(children: Children, repo: Path) -> None:
    port = free_port()
    pid = children.orphan(IPV4, port, cwd=repo)
    [elsewhere] = ports_of(kill_port(port, "-n", "--json", cwd=repo.parent))
    [there] = ports_of(kill_port(port, "-n", "--json", "-C", repo, cwd=repo.parent))
    assert elsewhere["holders"][0]["verdict"] == "stranger"
    assert there["holders"][0]["verdict"] == "ours"
    assert is_alive(pid)


def test_the_process_that_runs_the_command_is_refused_even_by_force(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(ANCESTOR, port, *COMMAND, "--force", cwd=repo)
    assert process.stdout
    code, _, words = process.stdout.readline().partition(" ")
    assert code == "3"
    assert "devproxy was started from inside this process" in words
    assert is_alive(process.pid)


def test_a_command_line_cannot_move_the_cursor(children: Children, repo: Path) -> None:
    port = free_port()
    children.start(IPV4, port, "\x1b[2Jboo\x07")
    shown = kill_port(port, "-n", cwd=repo).stdout
    assert "boo" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown


@pytest.mark.parametrize(
    ("words", "ports"),
    [
        (["8000"], [8000]),
        (["3000-3003", "8000"], [3000, 3001, 3002, 3003, 8000]),
        (["8000,9000-9001", "9001"], [8000, 9000, 9001]),
        (["1-1"], [1]),
        (["65535"], [65535]),
    ],
)
def test_ports_ranges_and_lists_are_read_each_port_once(words: list[str], ports: list[int]) -> None:
    assert parse_ports(words) == ports


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("abc", "'abc' is not a port"),
        ("0", "'0' is not a port"),
        ("65536", "'65536' is not a port"),
        ("8000-", "'8000-' is not a port"),
        ("8000-x", "'8000-x' is not a port"),
        ("1-2-3", "'1-2-3' is not a port"),
        ("3010-3000", "the range 3010-3000 ends before it begins"),
        ("٣", "'٣' is not a port"),
        ("9" * 5000, f"'{'9' * 5000}' is not a port"),
        ("8000,", "'' is not a port"),
    ],
)
def test_what_is_no_port_is_said_with_what_one_looks_like(word: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_ports([word])
    assert raised.value.message == message
    assert "3000-3010" in raised.value.hint or "did you mean 3000-3010?" in raised.value.hint


@pytest.mark.parametrize(
    ("ports", "words"),
    [([8000], "port 8000"), ([3000, 3001, 3002, 8000], "ports 3000-3002, 8000"), ([1, 3], "ports 1, 3")],
)
def test_free_ports_are_told_in_runs(ports: list[int], words: str) -> None:
    assert ports_words(ports) == words


@pytest.mark.parametrize(
    ("name", "number"), [("int", signal.SIGINT), ("SIGHUP", signal.SIGHUP), ("Kill", signal.SIGKILL)]
)
def test_a_signal_has_a_name_with_or_without_SIG(name: str, number: signal.Signals) -> None:
    assert parse_signal(name, force=False) is number


@pytest.mark.parametrize(
    ("name", "force"), [("STOP", False), ("CONT", False), ("9", False), ("", False), ("INT", True)]
)
def test_a_signal_that_ends_nothing_or_has_no_say_is_refused(name: str, force: bool) -> None:
    with pytest.raises(UsageError):
        parse_signal(name, force=force)


def test_a_range_frees_what_is_held_in_it_and_says_the_rest_in_one_line(children: Children, repo: Path) -> None:
    low = next(port for port in iter(free_port, 0) if is_free(port + 1) and is_free(port + 2))
    pid = children.orphan(IPV4, low + 1, cwd=repo)
    done = kill_port(f"{low}-{low + 2}", cwd=repo)
    assert done.returncode == 0, done.stderr
    assert f"nothing listens on ports {low}, {low + 2}\n" in done.stdout
    assert f"port {low + 1} is free again" in done.stdout
    assert not is_alive(pid)


def test_a_port_that_nobody_listens_on_and_that_does_not_bind_is_told_as_that(repo: Path) -> None:
    port = closed_server(reuse=False)
    done = kill_port(port, "--force", cwd=repo)
    assert done.returncode == 3
    assert f"port {port} is not free yet: nobody listens there" in done.stderr
    assert "pid" not in done.stdout + done.stderr


def test_the_signal_that_was_asked_for_is_sent_first(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(
        IPV4.replace("a = listen", "signal.signal(signal.SIGINT, signal.SIG_DFL); a = listen"), port
    )
    done = kill_port(port, "--yes", "--signal", "INT", "--wait", "60", cwd=repo)
    assert done.returncode == 0, done.stderr
    assert process.wait(20) == -signal.SIGINT
    assert "SIGINT to pid" in done.stdout


def test_who_ignores_it_is_killed_after_the_wait_that_was_asked_for(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(DEAF, port)
    done = kill_port(port, "--yes", "--wait", "0.2", cwd=repo)
    assert done.returncode == 0, done.stderr
    assert "which has 0.2 s to end" in done.stdout
    assert process.wait(20) == -signal.SIGKILL


@pytest.mark.parametrize("arguments", [[], ["0"], ["65536"], ["http"], ["8000", "-C", "/nowhere/at/all"]])
def test_nonsense_is_a_usage_error(arguments: list[str], repo: Path) -> None:
    port = free_port()
    import socket

    with socket.create_server(("127.0.0.1", port)):
        arguments = [str(port) if one == "8000" else one for one in arguments]
        done = kill_port(*arguments, cwd=repo)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


# -- on a terminal ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 3), ("", 3)])
def test_on_a_terminal_a_neighbour_is_asked_about_and_no_is_the_usual_answer(
    answer: str, code: int, children: Children, repo: Path
) -> None:
    port = free_port()
    process = children.start(IPV4, port, cwd=repo)
    shown, returned = on_terminal([*COMMAND, str(port)], f"{answer}\n", repo)
    assert returned == code
    assert f"End pid {process.pid}? [y/N]" in shown
    if code:
        assert is_alive(process.pid)
    else:
        assert process.wait(20) == -signal.SIGTERM


def test_colour_is_for_terminals_without_no_color(children: Children, repo: Path) -> None:
    port = free_port()
    children.start(IPV4, port, cwd=repo)
    command = [*COMMAND, str(port), "-n"]
    assert "\x1b[33mneighbour\x1b[0m" in on_terminal(command, "", repo, TERM="xterm", NO_COLOR="")[0]
    assert "\x1b[" not in on_terminal(command, "", repo, TERM="xterm", NO_COLOR="1")[0]


def on_terminal(command: list[str], keys: str, cwd: Path, **env: str) -> tuple[str, int]:
    """Run a command on a terminal of its own, type the keys once it asks; all it showed, and its code."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **env},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    try:
        while piece := read(controller):
            shown += piece
            if keys and b"[y/N]" in shown:
                os.write(controller, keys.encode())
                keys = ""
        return shown.decode(), process.wait(10)
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def read(controller: int) -> bytes:
    """What the terminal shows next; empty when its last user is gone (Linux says EIO)."""
    try:
        return os.read(controller, 4096)
    except OSError:
        return b""


# -- the decision -------------------------------------------------------------------------------------


def judged(kind: Kind) -> Judged:
    return Judged(Holder(8000, Process(42)), Verdict(kind, "because"))


@pytest.mark.parametrize(
    ("kinds", "yes", "may_ask", "dry_run", "action"),
    [
        (("ours",), False, False, False, "free"),
        (("ours", "stranger"), False, False, False, "refused"),
        (("ours", "neighbour"), False, True, False, "ask"),
        (("stranger",), True, False, False, "free"),
        (("stranger", "untouchable"), True, True, False, "refused"),
        ((), False, False, False, "free"),
        (("ours",), False, False, True, "would-free"),
        (("neighbour",), False, False, True, "would-ask"),
        (("neighbour",), True, False, True, "would-free"),
        (("untouchable",), True, True, True, "would-refuse"),
    ],
)
def test_what_happens_to_a_port_follows_from_the_verdicts(
    kinds: tuple[Kind, ...], yes: bool, may_ask: bool, dry_run: bool, action: str
) -> None:
    assert decide([judged(kind) for kind in kinds], yes=yes, may_ask=may_ask, dry_run=dry_run) == action


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.4, "0 s old"), (61, "1 min old"), (7300, "2 h old"), (2e5, "2 d old")],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float | None, words: str) -> None:
    assert age_words(seconds) == words


def test_a_reloader_is_shown_with_its_worker_and_ends_with_it(children: Children, repo: Path) -> None:
    port = free_port()
    parent, worker = children.reloader(IPV4, port, cwd=repo)
    done = kill_port(port, "--yes", cwd=repo)
    assert done.returncode == 0, done.stderr
    assert f"runs under pid {parent.pid}" in done.stdout
    assert parent.wait(20) == -signal.SIGTERM
    until(lambda: not is_alive(worker))
    assert is_free(port)
