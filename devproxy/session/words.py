"""What a change is called in the log, and how an exit is told. Pure."""

import signal
from collections.abc import Mapping, Sequence
from typing import Final

from devproxy.config.changes import Changes
from devproxy.processes.dependencies import Wait
from devproxy.processes.lifecycle import Exit, Life

_TO: Final = {"started": "start", "ready": "be ready", "exited-ok": "finish"}

# Source: POSIX, Shell Command Language, 2.8.2 Exit Status for Commands.
_SHELL_CODES: Final = {126: " (a command cannot be executed)", 127: " (a command was not found)"}


def exit_words(exit_: Exit) -> str:
    """How a process ended, in words: "exited with code 3", "was ended by SIGKILL"."""
    if exit_.signal is not None:
        name = signal_name(exit_.signal)
        return f"was ended by {name if name.startswith('SIG') else f'signal {name}'}"
    if exit_.code is not None and exit_.code > 128 and signal_name(exit_.code - 128).startswith("SIG"):
        return f"exited with code {exit_.code} ({signal_name(exit_.code - 128)})"  # a shell tells a signal so
    return f"exited with code {exit_.code}" + _SHELL_CODES.get(exit_.code or 0, "")


def exit_label(exit_: Exit) -> str:
    """How a process ended, for a table: "exit 1", "killed by SIGSEGV (11)", "exit 137: usually SIGKILL, …"."""
    if exit_.signal is not None:
        name = signal_name(exit_.signal)
        return f"killed by {name} ({exit_.signal})" if name.startswith("SIG") else f"killed by signal {name}"
    code = exit_.code or 0
    if code in _SHELL_CODES:
        return f"exit {code}: {_SHELL_CODES[code].strip(' ()')}"
    if code > 128 and (name := signal_name(code - 128)).startswith("SIG"):
        return f"exit {code}: usually {name}" + (", out of memory?" if name == "SIGKILL" else "")
    return f"exit {code}"


def signal_name(number: int) -> str:
    """SIGTERM for 15; the number itself if there is no such signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def change_words(name: str, before: Life, life: Life, *, ready_seconds: float | None, note: str) -> tuple[str, str]:
    """What to say of a change, and its level; an empty sentence if it needs none."""
    if life.reloads != before.reloads:
        return f"{name} is sent SIG{life.rules.reload} to reload", "info"
    if life.state == before.state:
        return "", "info"
    match life.state:
        case "ready" if before.was_ready:
            return f"{name} is ready again", "info"
        case "ready":
            took = f" in {ready_seconds:.1f} s" if ready_seconds is not None else ""
            return f"{name} is ready{took}" + (f"; it {note}" if note else ""), "info"
        case "freeing" if life.contested is not None:
            return f"{name} {_exit(life)}: port {life.contested}, which it wants, is taken", "warning"
        case "restarting":
            return f"{name} restarts", "info"
        case "failing":
            return f"{name} is failing: {life.reason}", "error"
        case "crashed":
            return f"{name} {death_words(life)}; {next_words(life)}", "error"
        case "done":
            return f"{name} is done", "info"
        case "stopped" if before.alive:
            return (f"{name} stopped, but {life.reason}", "warning") if life.reason else (f"{name} stopped", "info")
    return "", "info"


def waits_words(waits: Sequence[Wait]) -> str:
    """What is waited for: "db to be ready and seed, which crashed: exited with code 1"."""
    return " and ".join(map(_wait_words, waits))


def _wait_words(wait: Wait) -> str:
    name, life = wait.service, wait.life
    if life.state == "crashed":
        why = life.reason or (exit_words(life.exit) if life.exit is not None else "it ended")
        return f"{name}, which crashed: {why}" + (
            f" (it starts again in {life.backoff:g} s)" if life.backoff is not None else ""
        )
    if life.state == "failing":
        return f"{name}, which is failing: {life.reason}"
    if life.state == "stopped":
        return f"{name}, which is stopped"
    if wait.is_vain:
        return f"{name}, which waits for {waits_words(wait.behind)}"
    return f"{name} to {_TO[wait.condition]}"


def death_words(life: Life) -> str:
    """What became of a crashed service: "exited with code 3", "could not be started: …"."""
    return f"could not be started: {life.reason}" if life.reason else _exit(life)


def used_words(port: int, *, is_there: bool) -> str:
    """Of a service that somebody else runs."""
    if is_there:
        return f"not started by devproxy: what listened on port {port} before is used as it is"
    return f"nothing listens on port {port} any more; devproxy did not start it, but devproxy reload does"


def health_words(name: str, answer: str, *, is_well: bool) -> tuple[str, str]:
    """What to say of an upstream that is probed, and its level."""
    return (f"{name} is well again: {answer}", "info") if is_well else (f"{name} is not well: {answer}", "warning")


def _exit(life: Life) -> str:
    return exit_words(life.exit) if life.exit is not None else "ended"


def next_words(life: Life) -> str:
    """When a crashed service starts again by itself, if it does: "it starts again in 0.5 s"."""
    match life.awaits:
        case "timer":
            return f"it starts again in {life.backoff:g} s"
        case "save" if life.is_braked:
            return f"after {life.deaths} crashes in a row it waits for the next save of a file, or to be restarted"
        case "save":
            return "it starts again when a file is saved"
        case "port":
            return f"it starts when port {life.contested} is free"
    return "it is not started again"


def edit_words(file: str, changes: Changes) -> str:
    """What to say when the config was edited; empty when nothing differs from what runs."""
    done = _acts(changes, ("restarts", "starts", "stops", "changes"))
    parts = [f"`devproxy reload` {done}"] if done else []
    return f"{file} changed: {'; '.join([*parts, *_later(changes)])}" if changes else ""


def undone_words(file: str) -> str:
    """What to say when an edit was taken back."""
    return f"{file} changed: it is what runs again"


def reload_words(file: str, changes: Changes) -> str:
    """What to say of a reload."""
    done = _acts(changes, ("restarting", "starting", "stopping", "changed:"))
    parts = [*([done] if done else []), *_later(changes)]
    return f"reloaded {file}: {'; '.join(parts) or 'nothing differs'}"


def invalid_words(file: str, problems: str) -> str:
    """What to say when the config was edited and is wrong now."""
    return f"{file} changed, and has errors; everything runs on as it was\n{problems}"


def _acts(changes: Changes, verbs: tuple[str, str, str, str]) -> str:
    """ "restarts api, starts db and web"."""
    names = (changes.restarts, changes.starts, changes.stops, changes.swaps)
    return ", ".join(f"{verb} {listed(some)}" for verb, some in zip(verbs, names, strict=True) if some)


def _later(changes: Changes) -> list[str]:
    what = "takes effect" if len(changes.later) == 1 else "take effect"
    return [f"{listed(changes.later)}: {what} at the next `devproxy up`"] if changes.later else []


def linger_words(seconds: Mapping[str, float]) -> str:
    """Whom we wait for. Args: seconds: until each is killed, by name."""
    names = " and ".join(f"{name}, which is killed in {left:.0f} s" for name, left in seconds.items())
    return f"still waiting for {names} (Ctrl-C again: at once)"


def listed(names: tuple[str, ...]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
