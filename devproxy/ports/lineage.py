"""Whom to signal: the holder and those above it that run only for its sake. Pure.

A reloader starts its worker again, `npm run dev` waits for a shell that waits for node: ending the
holder alone brings it back, or leaves half a tree. But the parent may as well be an editor, a test run or
`concurrently` with four other services. So we climb while the evidence says "this one is here for that
one", and only inside the holder's own process group, which is how a shell tells one job from another.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from devproxy.ports.facts import Holder, Process

# fmt: off
SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"})
# They run a command, or several: climbed while they have a single child.
LAUNCHERS = SHELLS | {
    "npm", "npx", "pnpm", "pnpx", "yarn", "bun", "bunx", "deno", "corepack", "npm-run-all", "run-p", "run-s",
    "concurrently", "wireit", "turbo", "nx", "lerna", "uv", "uvx", "poetry", "pipenv", "pdm", "hatch", "rye",
    "conda", "mamba", "mise", "direnv", "devenv", "env", "dotenv", "nice", "time", "timeout", "stdbuf",
    "make", "gmake", "just", "task", "tilt", "cargo", "go", "dotnet", "mvn", "gradle", "gradlew", "mix",
    "bundle", "honcho", "foreman", "goreman", "hivemind", "overmind", "mprocs", "process-compose",
    "pitchfork",
}
# They start one program again and again, or in several workers.
RELOADERS = frozenset({
    "nodemon", "watchexec", "watchmedo", "watchfiles", "entr", "reflex", "air", "tsx", "ts-node-dev",
    "next", "nuxt", "nest", "ng", "astro", "vite", "uvicorn", "hypercorn", "granian", "gunicorn", "flask",
    "puma",
})
# They have a life of their own, whatever they started.
INDEPENDENT = frozenset({"pm2", "supervisord", "tmux", "screen", "devproxy", "pytest", "jupyter", "ipython"})
INTERPRETERS = frozenset({"python", "node", "ruby", "php", "perl", "bun", "deno", "java"})
# fmt: on


@dataclass(frozen=True, slots=True)
class Aim:
    """What will be signalled: one process with all its descendants, or its whole process group too."""

    top: Process
    whole_group: bool


def aim(holder: Holder, own: Collection[int], own_groups: Collection[int]) -> Aim | None:
    """Whom to end so that the holder goes and stays away; None when the holder cannot be seen.

    Args: own: pids of ours and our ancestors; own_groups: process groups that these are in.
    """
    line = lineage(holder, own)
    if not line:
        return None
    top = line[-1]
    return Aim(top, whole_group=top.pid == top.pgid and top.pgid not in own_groups)


def lineage(holder: Holder, own: Collection[int] = ()) -> tuple[Process, ...]:
    """The holder, then its parent as far as that runs for its sake, and so on upwards."""
    if holder.process is None:
        return ()
    line = [holder.process]
    for parent in holder.ancestors:
        if parent.pid in own or parent.pid <= 1 or not runs_for(parent, line[-1]):
            break
        line.append(parent)
    return tuple(line)


def runs_for(parent: Process, child: Process) -> bool:
    """Does the parent run only for the sake of this child and its like?"""
    if not parent.pgid or parent.pgid != child.pgid or parent.uid != child.uid or parent.uid is None:
        return False
    if not parent.tree_ports <= child.tree_ports:  # it serves something else as well
        return False
    names = programs(parent)
    if names & INDEPENDENT or _is_interactive_shell(parent):
        return False
    if names & RELOADERS:
        return True
    if parent.cmdline and parent.cmdline == child.cmdline:  # forked, or started again
        return True
    if any("multiprocessing" in word for word in child.cmdline):  # a spawned worker names its module
        return True
    if parent.children > 1:
        return False
    return bool(names & LAUNCHERS) or (_same_interpreter(parent, child) and _same_place(parent, child))


def programs(process: Process) -> set[str]:
    """What the process runs, by name: the program and, below an interpreter, the script or `-m` module."""
    words = list(process.cmdline) or [process.name]
    if len(words) == 1:  # a title set by the program itself: "npm run dev"
        words = words[0].split()[:1] or [process.name]
    names = {_stem(words[0])}
    if _interpreter(words) and not {"-c", "-e"} & set(words[1:2]):
        script = next((word for word in words[1:] if not word.startswith("-")), "")
        package = re.search(r"/node_modules/([^/]+)/", script)
        names |= {_stem(script), package[1] if package else ""}
    return names - {""}


def _stem(word: str) -> str:
    """`/usr/lib/npm-cli.js` is npm, `-bash` (a login shell) is bash."""
    return PurePath(word).stem.lower().removesuffix("-cli").removeprefix("-")


def _interpreter(words: Sequence[str]) -> str:
    """`python` for /usr/bin/python3.12; empty for what is no interpreter."""
    name = _stem(words[0]).rstrip("0123456789.") if words else ""
    return name if name in INTERPRETERS else ""


def _is_interactive_shell(process: Process) -> bool:
    """A shell without a command or a script: somebody types there, or a program does."""
    if not programs(process) & SHELLS:
        return False
    return not any(word == "-c" or not word.startswith("-") for word in process.cmdline[1:])


def _same_interpreter(parent: Process, child: Process) -> bool:
    name = _interpreter(parent.cmdline)
    return bool(name) and name == _interpreter(child.cmdline)


def _same_place(parent: Process, child: Process) -> bool:
    if parent.project is not None:
        return parent.project == child.project
    return parent.cwd is not None and parent.cwd == child.cwd
