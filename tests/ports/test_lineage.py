"""Whom to end for a port: a reloader or `npm run` with its worker, one of concurrently's services alone, no ancestor of ours."""

from dataclasses import replace
from pathlib import Path

import pytest

from devproxy.ports.facts import Holder, Process
from devproxy.ports.lineage import aim, lineage, programs, runs_for

ROOT = Path("/home/me/shop")
INIT = Process(1, 0.1, "systemd", ("/sbin/init",), uid=0)
SHELL = Process(50, 1.0, "bash", ("-bash",), ROOT, ROOT, uid=1000, pgid=50, children=1, has_terminal=True)


def process(pid: int, *cmdline: str, group: int = 100, children: int = 1, ports: tuple[int, ...] = ()) -> Process:
    return Process(
        pid, float(pid), cmdline[0], cmdline, ROOT, ROOT, uid=1000, pgid=group, children=children,
        tree_ports=frozenset(ports or (8000,)),
    )  # fmt: skip


def holder(*line: Process) -> Holder:
    """The first one holds the port; its parent comes next, and so on."""
    return Holder(8000, line[0], ("127.0.0.1",), line[1:])


NODE = process(103, "node", "/home/me/shop/node_modules/.bin/vite", children=0)


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        (process(100, "python", "-m", "uvicorn", "app:app", "--reload", children=2),
         process(101, "python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()")),
        (process(100, "python", "manage.py", "runserver"), process(101, "python", "manage.py", "runserver")),
        (process(100, "gunicorn", "app", children=4), process(101, "gunicorn", "app")),
        (process(100, "node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "run", "dev"), NODE),
        (process(100, "npm run dev"), NODE),
        (process(100, "sh", "-c", "vite"), NODE),
        (process(100, "bash", "dev.sh"), NODE),
        (process(100, "node", "--watch", "server.js"), process(101, "node", "server.js")),
        (process(100, "node", "/x/node_modules/nodemon/nodemon.js", "a.js"), process(101, "node", "a.js")),
        (process(100, "node", "/x/.bin/next", "dev", children=3), process(101, "next-server (v15.1.0)")),
        (process(100, "uv", "run", "fastapi", "dev"), process(101, "python", "/x/.venv/bin/fastapi", "dev")),
        (process(100, "make"), process(101, "go-server")),
        (process(100, "python3.12", "loop.py"), process(101, "/usr/bin/python3", "server.py")),
    ],
)  # fmt: skip
def test_reloaders_and_launchers_run_for_their_child(parent: Process, child: Process) -> None:
    assert runs_for(parent, child)


@pytest.mark.parametrize(
    ("parent", "why"),
    [
        (process(100, "node", "/x/node_modules/.bin/concurrently", children=2), "several services"),
        (process(100, "python", "/usr/bin/honcho", "start", children=3), "several services"),
        (process(100, "bash", "dev.sh", children=2), "several services"),
        (process(100, "pnpm", "-r", "dev", children=2), "several services"),
        (process(100, "sh", "-c", "vite", ports=(8000, 5173)), "another port"),
        (process(100, "sh", "-c", "vite", group=99), "another job"),
        (process(100, "/opt/pycharm/jbr/bin/java", "-jar", "idea.jar"), "an editor"),
        (process(100, "code"), "an editor"),
        (process(100, "bash"), "somebody types there"),
        (process(100, "-bash"), "somebody types there"),
        (process(100, "node", "/x/node_modules/.bin/pm2", "start"), "a life of its own"),
        (process(100, "PM2 v5.3.0: God Daemon (/home/me/.pm2)"), "a life of its own"),
        (process(100, "python", "-m", "pytest"), "a life of its own"),
        (replace(process(100, "sh", "-c", "vite"), uid=0), "another user"),
        (replace(process(100, "node", "agent.js"), project=Path("/home/me")), "another place"),
    ],
)
def test_others_do_not(parent: Process, why: str) -> None:
    assert not runs_for(parent, NODE), why


def test_the_top_of_the_line_is_aimed_at_with_its_group() -> None:
    npm = process(100, "npm run dev")
    shell = process(101, "sh", "-c", "vite")
    found = aim(holder(NODE, shell, npm, SHELL, INIT), own={1, 50}, own_groups={50})
    assert found is not None
    assert (found.top, found.whole_group) == (npm, True)


def test_one_of_several_services_is_aimed_at_alone() -> None:
    runner = process(100, "node", "/x/node_modules/.bin/concurrently", children=2, ports=(8000, 5173))
    shell = process(101, "sh", "-c", "vite")
    found = aim(holder(NODE, shell, runner, SHELL, INIT), own={1, 50}, own_groups={50})
    assert found is not None
    assert (found.top, found.whole_group) == (shell, False)


def test_a_group_that_an_ancestor_of_ours_is_in_is_never_aimed_at() -> None:
    leader = process(103, "node", "server.js", group=103)
    found = aim(holder(leader), own={7, 1}, own_groups={103})
    assert found is not None
    assert not found.whole_group


def test_the_line_ends_below_our_own_ancestors() -> None:
    script = process(100, "bash", "dev.sh")
    assert lineage(holder(NODE, script, INIT), own={100, 1}) == (NODE,)
    assert lineage(holder(NODE, script, INIT)) == (NODE, script)


def test_who_cannot_be_seen_cannot_be_aimed_at() -> None:
    assert aim(Holder(8000, None), own=(), own_groups=()) is None


@pytest.mark.parametrize(
    ("cmdline", "names"),
    [
        (("/usr/bin/python3.12", "/home/me/.venv/bin/uvicorn", "app"), {"python3", "uvicorn"}),
        (("python", "-m", "flask", "run"), {"python", "flask"}),
        (("python", "-c", "import make"), {"python"}),
        (("node", "/x/node_modules/concurrently/dist/bin/index.js"), {"node", "index", "concurrently"}),
        (("npm run dev",), {"npm"}),
        ((), {"kworker"}),
    ],
)
def test_a_program_is_known_by_name_also_below_an_interpreter(cmdline: tuple[str, ...], names: set[str]) -> None:
    assert programs(Process(1, name="kworker", cmdline=cmdline)) == names
