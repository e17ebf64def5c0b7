"""Network and process namespaces, which is what containers are made of."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devproxy.ports.free import Freed, free
from devproxy.ports.look import look
from devproxy.ports.probe import is_free
from tests.ports.children import IPV4, LISTEN, WILDCARD, Children
from tests.support import free_port
from tests.support.devproxy import devproxy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")

# Inside: a holder and the tool, with pids of their own, from 1.
INSIDE = (
    LISTEN
    + """
import subprocess
holder = subprocess.Popen([sys.executable, "-c", sys.argv[2], str(port)], stdout=subprocess.PIPE, text=True)
print(holder.stdout.readline().strip())
for words in (["ports"], ["kill-port", "--yes", str(port)], ["kill-port", str(port)]):
    done = subprocess.run([sys.executable, "-m", "devproxy", *words], capture_output=True, text=True)
    print(done.returncode, done.stdout, done.stderr)
print(os.getpid(), holder.wait())
"""
)


def unshare(*namespaces: str) -> list[str]:
    """The command that runs another one in new namespaces; who is not root needs one for users, too."""
    words = ["unshare", *([] if os.getuid() == 0 else ["--map-root-user"]), *namespaces, "--"]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True) if shutil.which("unshare") else None
    assert tried is not None and tried.returncode == 0, (
        f"these tests need `{' '.join(words)}`, which this machine does not allow: {tried.stderr if tried else ''}"
    )
    return words


@pytest.fixture
def elsewhere() -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """A port that is held in another network namespace, by a process that is ours to see and to signal."""
    port = free_port()
    command = [*unshare("--net"), sys.executable, "-c", WILDCARD, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield port, process
        finally:
            process.kill()


def test_the_same_number_in_another_network_namespace_is_nobodys_business(
    elsewhere: tuple[int, "subprocess.Popen[str]"], repo: Path
) -> None:
    port, process = elsewhere
    assert is_free(port)
    done = devproxy(repo, ["kill-port", str(port), "--force"])
    assert (done.returncode, done.stdout) == (0, f"nothing listens on port {port}\n")
    assert process.poll() is None


def test_of_two_holders_of_one_number_only_the_one_here_is_ended(
    elsewhere: tuple[int, "subprocess.Popen[str]"], children: Children, repo: Path
) -> None:
    port, process = elsewhere
    here = children.start(IPV4, port)
    judged = look(port, repo)
    assert [one.holder.process.pid for one in judged if one.holder.process] == [here.pid]
    assert isinstance(free(port, judged, repo, force=True), Freed)
    assert here.wait(20)
    assert process.poll() is None


def test_in_a_container_ports_are_listed_and_freed_as_elsewhere(tmp_path: Path) -> None:
    """A container is namespaces for processes, network and mounts: pids begin with 1, and the outside is not seen."""
    port = free_port()
    inside = [sys.executable, "-c", INSIDE, str(port), WILDCARD]
    command = [*unshare("--net", "--pid", "--fork", "--mount-proc"), *inside]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    ready, *lines, last = done.stdout.splitlines()
    assert ready == "ready"
    assert last == "1 -15", done.stdout  # the tool's parent is pid 1, and the holder ended politely
    assert [line for line in lines if line.startswith(f"0 {port}  ")], done.stdout
    assert [line for line in lines if f"port {port} is free again" in line], done.stdout
    assert f"0 nothing listens on port {port}" in lines
