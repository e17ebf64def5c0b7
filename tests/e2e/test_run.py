"""`devproxy run -- CMD`: a command with the whole project around it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devproxy.cli.client import Client
from tests.support import free_port, until
from tests.support.devproxy import COMMAND, Start, assert_none_left, kill_all, living
from tests.support.services import PYTHON, write_config, write_procfile
from tests.support.terminal import terminal

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]
WEB = {"web": "{python} server.py web"}
FETCH = "import os, urllib.request as u; print(u.urlopen(os.environ['DEVPROXY_URL'] + '/page').read().decode())"
# Says when it is asked to end, and by what; ends with 9.
STUBBORN = """
import signal, sys
def asked(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number != signal.SIGINT:
        sys.exit(9)
for one in (signal.SIGINT, signal.SIGTERM):
    signal.signal(one, asked)
print("CMD is here", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def run(own_folders: Path) -> Iterator[Run]:
    """`devproxy run` to its end; nothing may be left."""

    def command(root: Path, *words: str, text: str = "") -> Done:
        return subprocess.run(
            [*COMMAND, "run", "--port", str(free_port()), *words],
            cwd=root,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )

    yield command
    assert_none_left(own_folders)


@pytest.fixture
def started(own_folders: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`devproxy run` with a command that has said that it is there."""
    processes = []

    def start(root: Path, *words: str, stderr: int | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, "run", "-q", "--port", str(free_port()), "--", *words],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        processes.append(process)
        assert process.stdout
        assert "is here" in process.stdout.readline()
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)
    kill_all(living(own_folders))


def test_the_command_runs_when_all_is_ready_and_its_output_and_code_are_ours(tmp_path: Path, run: Run) -> None:
    write_procfile(tmp_path, web=f"sleep 0.3; exec {WEB['web']}")
    done = run(tmp_path, "--", "sh", "-c", f"cat; {PYTHON} -c {shlex.quote(FETCH)}; exit 7", text="from stdin\n")
    assert (done.returncode, done.stdout) == (7, "from stdin\nweb /page\n")
    assert "web      | web is here" in done.stderr
    assert done.stderr.index("web is ready") < done.stderr.index("running sh") < done.stderr.index("web stopped")
    assert (tmp_path / "journal").read_text().endswith("web asked\nweb gone\n")


def test_quietly_only_the_command_is_heard_and_its_options_are_its_own(tmp_path: Path, run: Run) -> None:
    write_procfile(tmp_path, **WEB)
    done = run(tmp_path, "-q", "printf", "%s,", "-q", "--timeout", "--")
    assert (done.returncode, done.stdout, done.stderr) == (0, "-q,--timeout,--,", "")


def test_what_is_not_ready_in_time_is_4_with_its_last_lines_and_the_command_does_not_run(
    tmp_path: Path, run: Run
) -> None:
    write_procfile(tmp_path, web="echo still thinking; exec sleep 600")
    done = run(tmp_path, "-q", "--timeout", "1.5", "--", "echo", "never")
    assert (done.returncode, done.stdout) == (4, "")
    assert "web not ready after 1.5 s" in done.stderr
    assert "web | still thinking" in done.stderr


def test_what_fails_is_4_at_once(tmp_path: Path, run: Run) -> None:
    write_config(
        tmp_path, '[services.web]\nkind = "frontend"\ncommand = "echo no database; exit 7"\nrestart = "never"\n'
    )
    done = run(tmp_path, "-q", "--", "echo", "never")
    assert (done.returncode, done.stdout) == (4, "")
    assert "exited with code 7" in done.stderr
    assert "no database" in done.stderr
    assert "devproxy down" not in done.stderr  # there is nothing left to stop


@pytest.mark.parametrize("words", [["no-such-program"], ["echo one && echo two"]], ids=" ".join)
def test_without_such_a_command_nothing_is_started(tmp_path: Path, run: Run, words: list[str]) -> None:
    write_procfile(tmp_path, **WEB)
    done = run(tmp_path, "--", *words)
    assert (done.returncode, done.stdout) == (6, "")
    assert f"{words[0]} is not installed" in done.stderr
    assert ("sh -c 'echo one && echo two'" in done.stderr) == (" " in words[0])
    assert not (tmp_path / "journal").exists()


@pytest.mark.parametrize(("number", "code"), [("KILL", 137), ("TERM", -signal.SIGTERM)])
def test_a_signal_that_ended_the_command_is_told(tmp_path: Path, run: Run, number: str, code: int) -> None:
    write_procfile(tmp_path, **WEB)
    assert run(tmp_path, "-q", "--", "sh", "-c", f"kill -{number} $$").returncode == code


def test_a_session_that_runs_is_used_and_left_as_it_is(tmp_path: Path, run: Run, devproxy: Start) -> None:
    write_procfile(tmp_path, **WEB)
    session = devproxy(tmp_path).wait_ready()
    before = (tmp_path / "journal").read_text()
    done = run(tmp_path, "--", "sh", "-c", "cat; echo $DEVPROXY_URL; exit 7", text="from stdin\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, f"from stdin\n{session.url}\n", "")
    assert run(tmp_path, "--", "no-such-program").returncode == 6
    assert (tmp_path / "journal").read_text() == before  # nobody was started, or asked to end
    session.stop()
    assert (tmp_path / "journal").read_text() != before


@pytest.mark.parametrize("live", [False, True], ids=["started", "live"])
def test_a_command_whose_reader_leaves_ends_as_it_would_alone(
    tmp_path: Path, devproxy: Start, started: Callable[..., subprocess.Popen[str]], live: bool
) -> None:
    """Python ignores SIGPIPE; what it starts must not."""
    write_procfile(tmp_path, **WEB)
    if live:
        devproxy(tmp_path).wait_ready()
    process = started(tmp_path, "yes", "CMD is here")
    assert process.stdout
    process.stdout.close()
    assert process.wait(20) == (-signal.SIGPIPE if live else 128 + signal.SIGPIPE)


def test_without_a_terminal_a_signal_is_the_commands_and_the_services_stop_after_it(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]], own_folders: Path
) -> None:
    write_procfile(tmp_path, **WEB)
    process = started(tmp_path, sys.executable, "-c", STUBBORN)
    assert process.stdout
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "SIGINT\n"
    assert "web gone" not in (tmp_path / "journal").read_text()
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "SIGTERM\n"
    assert process.wait(20) == 9
    assert living(own_folders) == []


def test_ctrl_c_before_it_is_ready_ends_everything(tmp_path: Path, own_folders: Path) -> None:
    write_procfile(tmp_path, web="exec sleep 600")
    process = subprocess.Popen(
        [*COMMAND, "run", "--port", str(free_port()), "--", "echo", "never"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    until(lambda: any("sleep" in one.cmdline() for one in living(own_folders)))
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (-signal.SIGINT, b"")
    until(lambda: living(own_folders) == [])  # its guard, too, if it was only just begun


def test_down_from_elsewhere_ends_the_command_first(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]], own_folders: Path
) -> None:
    write_procfile(tmp_path, **WEB)
    process = started(tmp_path, sys.executable, "-c", STUBBORN)
    subprocess.run([*COMMAND, "down"], cwd=tmp_path, check=True, capture_output=True, timeout=30)
    assert process.stdout
    assert process.stdout.readline() == "SIGTERM\n"
    assert process.wait(20) == 9
    assert living(own_folders) == []


def test_when_we_are_killed_nothing_is_left_of_the_command_either(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]], own_folders: Path
) -> None:
    write_procfile(tmp_path, **WEB)
    process = started(tmp_path, "sh", "-c", "setsid sleep 600 & echo CMD is here; sleep 600; true")
    assert len(living(own_folders)) >= 5  # we, the guard, web, sh, two sleeps
    process.kill()
    until(lambda: living(own_folders) == [])


def test_what_the_command_leaves_in_the_background_ends_with_the_run(tmp_path: Path, run: Run) -> None:
    """The fixture looks for it."""
    write_procfile(tmp_path, **WEB)
    assert run(tmp_path, "-q", "--", "sh", "-c", "setsid sleep 600 >/dev/null 2>&1 &").returncode == 0


def test_on_a_terminal_ctrl_c_reaches_the_command_once_and_the_services_stop_after_it(
    tmp_path: Path, own_folders: Path
) -> None:
    (tmp_path / "command.py").write_text(STUBBORN)
    with terminal(tmp_path) as shell:
        web = '[services.web]\nkind = "frontend"\ncommand = "exec {python} server.py web"\nport = "auto"\n'
        write_config(tmp_path, web)  # instead of the helper's own services
        words = [*COMMAND, "run", "--port", str(free_port()), "--", sys.executable, "command.py"]
        shell.type(f"{shlex.join(words)}; echo status=$?\n")
        shell.see("CMD is here")
        shell.type("\x03")
        shell.see("SIGINT")
        [command] = [one for one in living(own_folders) if one.cmdline() == [sys.executable, "command.py"]]
        # Not psutil's terminal(): that one remembers which terminals there were when it was first asked.
        assert Path(f"/proc/{command.pid}/stat").read_text().rsplit(")", 1)[1].split()[4] != "0"  # tty_nr, proc(5)
        command.terminate()
        shell.see("status=9")
        assert len(re.findall(r"^.*SIGINT", shell.text, re.MULTILINE)) == 1
        assert "web gone" in (tmp_path / "journal").read_text()


def test_the_run_is_a_session_like_any_other(tmp_path: Path, started: Callable[..., subprocess.Popen[str]]) -> None:
    write_procfile(tmp_path, **WEB)
    process = started(tmp_path, "sh", "-c", "echo CMD is here; exec sleep 600")
    listed = subprocess.run([*COMMAND, "ls", "--json"], check=True, capture_output=True, text=True, timeout=30).stdout
    [session] = json.loads(listed)["sessions"]
    assert (session["pid"], session["state"]) == (process.pid, "ready")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(20) == -signal.SIGTERM


def test_the_session_of_one_run_stays_until_the_last_that_uses_it_has_ended(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]], own_folders: Path
) -> None:
    write_procfile(tmp_path, **WEB)
    first = started(tmp_path, "sh", "-c", "echo CMD is here; read line", stderr=subprocess.PIPE)
    waits = f"echo CMD is here; read line; {PYTHON} -c {shlex.quote(FETCH)}; exit 7"
    second = started(tmp_path, "sh", "-c", waits)
    assert first.stdin and first.stderr and second.stdin and second.stdout
    first.stdin.write("\n")
    assert f"another devproxy run (pid {second.pid}) uses this session" in first.stderr.readline()
    second.stdin.write("\n")
    assert second.stdout.readline() == "web /page\n"
    assert (second.wait(20), first.wait(20)) == (7, 0)
    assert (tmp_path / "journal").read_text().count("web listens") == 1
    until(lambda: living(own_folders) == [])


def test_who_does_not_want_to_wait_for_another_run_ends_the_session_with_ctrl_c(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    write_procfile(tmp_path, **WEB)
    first = started(tmp_path, "sh", "-c", "echo CMD is here; read line; exit 7", stderr=subprocess.PIPE)
    second = started(tmp_path, "sh", "-c", "echo CMD is here; read line")
    assert first.stdin and first.stderr and second.stdin
    first.stdin.write("\n")
    first.stderr.readline()
    first.send_signal(signal.SIGINT)
    assert first.wait(20) == 7
    assert second.poll() is None  # its command goes on, without services
    second.stdin.write("\n")
    second.wait(20)


def test_a_run_that_finds_a_session_just_ending_starts_its_own(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]], run: Run
) -> None:
    write_config(
        tmp_path,
        '[services.stays]\nkind = "worker"\ncommand = "exec {python} stubborn.py"\nstop = { grace_seconds = 1 }\n',
    )
    first = started(tmp_path, "sh", "-c", "echo CMD is here; read line", stderr=subprocess.PIPE)
    Client(tmp_path).post("/api/session/stop")
    until(lambda: Client(tmp_path).get("/api/status")["stopping"])
    assert run(tmp_path, "-q", "--", "echo", "done").stdout == "done\n"
    first.wait(20)


def test_a_profile_is_started_too_also_in_a_session_that_runs(tmp_path: Path, run: Run, devproxy: Start) -> None:
    config = '[services.web]\nkind = "frontend"\ncommand = "exec {python} server.py web"\nport = "auto"\n'
    write_config(tmp_path, f'{config}[services.extra]\nkind = "worker"\ncommand = "sleep 600"\nprofiles = ["full"]\n')

    def state(*words: str) -> str:
        said = run(tmp_path, "-q", *words, "--", *COMMAND, "status", "--json").stdout
        return str(json.loads(said)["services"][1]["state"])

    assert (state(), state("--profile", "full")) == ("stopped", "ready")
    devproxy(tmp_path).wait_ready()
    assert (state(), state("--profile", "full"), state()) == ("stopped", "ready", "ready")
