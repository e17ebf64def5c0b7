"""Who holds a port: the facts that a person would recognise it by."""

import os
import subprocess
from pathlib import Path

from devproxy.ports import identity
from devproxy.ports.holder import holders, project_of
from tests.ports.children import DUAL, IPV4, IPV6, Children
from tests.support import free_port


def test_a_holder_is_known_by_what_a_person_recognises(children: Children, repo: Path) -> None:
    port = free_port()
    (repo / "api").mkdir()
    process = children.start(IPV4, port, cwd=repo / "api")
    [found] = holders(port)
    assert found.process is not None
    assert found.process.identity == identity.of(process.pid)
    assert found.process.command.endswith(f".py {port}")
    assert found.process.cwd == (repo / "api").resolve()
    assert found.process.project == repo.resolve()
    assert found.process.uid == os.getuid()
    assert found.process.pgid == process.pid
    assert not found.process.has_terminal
    assert found.addresses == ("127.0.0.1",)
    assert found.ancestors[0].pid == os.getpid()


def test_two_holders_of_one_port_are_both_found(children: Children) -> None:
    port = free_port()
    pids = {children.start(source, port).pid for source in (IPV4, IPV6)}
    assert {found.process.pid for found in holders(port) if found.process} == pids


def test_a_parent_knows_how_many_children_it_has_and_where_they_listen(children: Children) -> None:
    port = free_port()
    parent, worker = children.reloader(DUAL, port)
    [found] = holders(port)
    assert found.process is not None
    assert found.process.pid == worker
    assert found.ancestors[0].pid == parent.pid
    assert found.ancestors[0].children == 1
    assert found.ancestors[0].tree_ports == {port}


def test_nobody_holds_a_free_port() -> None:
    assert holders(free_port()) == []


def test_a_project_is_the_nearest_repo_worktree_or_config(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    for folder in ("api/src", "worktrees/x/src", "tools/cli", "py/src", "known/src"):
        (repo / folder).mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    (repo / "worktrees/x/.git").write_text("gitdir: /elsewhere\n")
    (repo / "tools/devproxy.toml").write_text("")
    (repo / "py/pyproject.toml").write_text("[tool.devproxy]\nport = 4400\n")
    assert project_of(repo / "api/src") == repo
    assert project_of(repo / "worktrees/x/src") == repo / "worktrees/x"
    assert project_of(repo / "tools/cli") == repo / "tools"
    assert project_of(repo / "py/src") == repo / "py"
    assert project_of(repo / "known/src", {repo / "known"}) == repo / "known"
    assert project_of(tmp_path) is None
    assert project_of(None) is None
