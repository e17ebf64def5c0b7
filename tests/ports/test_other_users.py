"""As a normal user, without lsof and ss: one's own processes are freed, other users' are explained and left alone."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from devproxy.ports.free import Refused, free
from devproxy.ports.look import look
from devproxy.ports.probe import is_free
from tests.ports.children import DEAF, IPV4, Children
from tests.support import free_port
from tests.support.devproxy import is_alive
from tests.support.other_user import NAME, OtherUser


@contextmanager
def listening(nobody: OtherUser, source: str, port: int) -> Iterator["subprocess.Popen[str]"]:
    """A holder that is nobody's; reaped by us, its parent."""
    with nobody.start(["-c", source, str(port)], stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("source", "how"), [(IPV4, "SIGTERM"), (DEAF, "SIGKILL")])
def test_a_normal_user_frees_its_own_port(nobody: OtherUser, source: str, how: str) -> None:
    port = free_port()
    with listening(nobody, source, port) as process:
        done = nobody.devproxy("kill-port", port, "--yes", "--wait", "0.5")
        assert (done.returncode, done.stderr) == (0, "")
        assert f"by {how}" in done.stdout
        assert process.wait(20) == -signal.Signals[how]
        assert is_free(port)


def test_another_users_process_is_explained_and_left_alone_whatever_the_options(
    nobody: OtherUser, children: Children
) -> None:
    port = free_port()
    process = children.start(IPV4, port)
    for options in (["--yes"], ["--force"], ["--force", "--json"]):
        done = nobody.devproxy("kill-port", port, *options)
        assert done.returncode == 3
        assert f"it belongs to {psutil.Process().username()}, whose processes we may not look into" in done.stderr
        assert f"sudo ss -ltnp 'sport = :{port}'" in done.stderr
    [holder] = json.loads(done.stdout)["ports"][0]["holders"]
    assert (holder["pid"], holder["user"], holder["verdict"]) == (None, psutil.Process().username(), "untouchable")
    assert is_alive(process.pid)


def test_not_even_root_ends_another_users_process(nobody: OtherUser, repo: Path) -> None:
    """Who is not root sees no more than that the port is nobody's; the answer is the same."""
    port = free_port()
    with listening(nobody, IPV4, port) as process:
        [judged] = look(port, repo)
        assert judged.verdict.kind == "untouchable"
        assert f"it belongs to {NAME}" in judged.verdict.reason
        assert judged.holder.process is None or judged.holder.process.pid == process.pid or os.getuid() != 0
        assert isinstance(free(port, [judged], repo, force=True), Refused)
        assert process.poll() is None


def test_a_normal_users_list_has_its_own_ports_and_counts_the_others(nobody: OtherUser, children: Children) -> None:
    mine, others = free_port(), free_port()
    children.start(IPV4, others)
    with listening(nobody, IPV4, mine) as process:
        found = {one["port"]: one for one in json.loads(nobody.devproxy("ports", "--json").stdout)["ports"]}
        assert found[mine]["user"] == NAME
        assert found[mine]["cwd"] == nobody.environment["HOME"]
        assert psutil.Process(found[mine]["pid"]) in [
            psutil.Process(process.pid),
            *psutil.Process(process.pid).children(),
        ]
        assert others not in found
        everything = {
            one["port"]: one for one in json.loads(nobody.devproxy("ports", "--json", "--all").stdout)["ports"]
        }
        assert everything[others]["whose"] == {"kind": "user", "name": psutil.Process().username(), "root": ""}


def test_a_process_in_a_folder_that_nobody_may_enter_any_more_is_shown_as_well(nobody: OtherUser) -> None:
    port = free_port()
    shut = "import os\nos.makedirs('shut/in', exist_ok=True)\nos.chdir('shut/in')\nos.chmod('..', 0)\n"
    with listening(nobody, shut + IPV4, port) as process:
        done = nobody.devproxy("ports")
        assert done.returncode == 0, done.stderr
        assert f"{port}  {process.pid}" in done.stdout
