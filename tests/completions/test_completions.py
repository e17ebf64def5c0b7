"""Completing `devproxy` in bash, zsh and fish."""

from collections.abc import Callable
from pathlib import Path

import pytest

from devproxy.cli import app
from devproxy.logs.records import LEVELS
from tests.completions import shells
from tests.completions.conftest import Stub
from tests.completions.shells import Terminal
from tests.support import until

Shell = Callable[[str, Path], list[str]]
EACH = pytest.mark.parametrize("shell", [shells.bash, shells.zsh, shells.fish])


@EACH
def test_commands_are_offered_without_starting_python(shell: Shell, project: Path, stub: Stub) -> None:
    assert sorted(shell("devproxy ", project)) == sorted(entry.name for entry in app.SHOWN)
    assert stub.asked() == []


@EACH
def test_the_beginning_of_a_command_is_enough(shell: Shell, project: Path, stub: Stub) -> None:
    assert sorted(shell("devproxy st", project)) == ["start", "status", "stop"]


@EACH
@pytest.mark.parametrize("name", ["logs", "up"])
def test_a_commands_options_are_offered_without_starting_python(
    shell: Shell, name: str, project: Path, stub: Stub
) -> None:
    command = app.load(next(entry for entry in app.SHOWN if entry.name == name))
    forms = {form for param in command.params for form in param.opts if form.startswith("--")} | {"--help"}
    assert {found for found in shell(f"devproxy {name} --", project) if found.startswith("--")} == forms
    assert stub.asked() == []


@EACH
def test_the_words_that_an_option_takes_are_offered(shell: Shell, project: Path, stub: Stub) -> None:
    assert sorted(shell("devproxy logs --level ", project)) == sorted(LEVELS)
    assert [found.removeprefix("--level=") for found in shell("devproxy logs --level=e", project)] == ["error"]


@EACH
def test_a_value_that_only_the_person_knows_is_left_to_them(shell: Shell, project: Path, stub: Stub) -> None:
    assert not {"web", "api"} & {*shell("devproxy logs --grep ", project)}
    assert stub.asked() == []


@EACH
@pytest.mark.parametrize("name", ["start", "stop", "restart"])
def test_services_are_offered(shell: Shell, name: str, project: Path, stub: Stub) -> None:
    assert sorted(shell(f"devproxy {name} ", project)) == ["api", "web"]
    assert stub.asked() == [["complete", "services"]]


@EACH
def test_logs_offers_all_that_the_log_has_lines_of(shell: Shell, project: Path, stub: Stub) -> None:
    assert sorted(shell("devproxy logs -f ", project)) == ["api", "devproxy", "web"]


@EACH
def test_a_service_is_offered_once(shell: Shell, project: Path, stub: Stub) -> None:
    assert shell("devproxy restart api ", project) == ["web"]
    assert shell("devproxy restart api", project) == ["api"]


@EACH
def test_ports_in_use_are_offered(shell: Shell, project: Path, stub: Stub) -> None:
    assert sorted(shell("devproxy kill-port --yes ", project)) == ["5173", "8000"]
    assert stub.asked() == [["complete", "ports"]]


@EACH
@pytest.mark.parametrize(
    ("typed", "folder"),
    [
        ("-C ../other", "../other"),
        ("-C../other", "../other"),
        ("--directory ../other", "../other"),
        ("--directory=../other", "../other"),
        (r"-C ~/my\ shop", "~/my shop"),
    ],
)
def test_services_are_those_of_the_project_on_the_line(
    shell: Shell, typed: str, folder: str, project: Path, stub: Stub
) -> None:
    assert sorted(shell(f"devproxy restart {typed} ", project)) == ["api", "web"]
    assert stub.asked() == [["complete", "services", "-C", folder]]


@EACH
def test_a_service_may_be_named_as_the_folder_is(shell: Shell, project: Path, stub: Stub) -> None:
    assert sorted(shell("devproxy restart -C api ", project)) == ["api", "web"]


@EACH
def test_the_projects_folder_is_completed_by_folders(shell: Shell, project: Path, stub: Stub) -> None:
    (project / "source").mkdir()
    (project / "settings.py").touch()
    assert [found.rstrip("/") for found in shell("devproxy restart -C s", project)] == ["source"]
    assert stub.asked() == []


@EACH
def test_nothing_is_said_when_the_program_fails(shell: Shell, project: Path, stub: Stub) -> None:
    (stub.folder / "services").unlink()  # cat complains, and its status is the stub's
    assert shell("devproxy restart ", project) == []


@EACH
def test_after_two_dashes_only_arguments_are_offered(shell: Shell, project: Path, stub: Stub) -> None:
    assert sorted(shell("devproxy restart -- ", project)) == ["api", "web"]
    assert shell("devproxy restart -- --", project) == []


@EACH
def test_the_planned_services_are_offered(shell: Shell, project: Path, real: None) -> None:
    assert sorted(shell("devproxy restart ", project)) == ["api", "web"]


INTERACTIVE = pytest.mark.parametrize("start", [Terminal.bash, Terminal.zsh])


@INTERACTIVE
def test_tab_writes_the_rest_of_the_word(start: Callable[[Path], Terminal], project: Path, stub: Stub) -> None:
    with start(project) as terminal:
        terminal.press("devproxy rest\tap\t\r")
        until(lambda: stub.asked()[-1:] == [["restart", "api"]])


@INTERACTIVE
def test_tab_quotes_a_folders_name(start: Callable[[Path], Terminal], project: Path, stub: Stub) -> None:
    (project / "my shop").mkdir()
    with start(project) as terminal:
        terminal.press("devproxy restart -C my\t ap\t\r")
        until(lambda: stub.asked()[-1:] and stub.asked()[-1][0] == "restart")
    calls = [[argument.rstrip("/") for argument in call] for call in stub.asked()]
    assert calls == [["complete", "services", "-C", "my shop"], ["restart", "-C", "my shop", "api"]]


@INTERACTIVE
def test_an_aliased_devproxy_is_completed_too(start: Callable[[Path], Terminal], project: Path, stub: Stub) -> None:
    with start(project) as terminal:
        terminal.press("alias dp=devproxy; complete -F _devproxy dp 2>&1\r").wait_for("\n").prompt()
        terminal.press("dp rest\tap\t\r")
        until(lambda: stub.asked()[-1:] == [["restart", "api"]])


def test_fish_completes_an_alias_too(project: Path, stub: Stub) -> None:
    assert sorted(shells.fish("dp restart ", project, setting="alias dp devproxy")) == ["api", "web"]


def test_zsh_says_what_each_command_does(project: Path, stub: Stub) -> None:
    with Terminal.zsh(project) as terminal:
        terminal.press("devproxy \x18\x0c").wait_for("<listed>")
        shown = [" ".join(row.split()) for row in terminal.rows()]
    assert [entry.name for entry in app.SHOWN if f"{entry.name} -- {entry.help[:-1]}" not in shown] == []


def test_zsh_takes_the_file_by_source_as_well(project: Path, stub: Stub) -> None:
    with Terminal.zsh(project, "compdef -d devproxy", 'source "$COMPLETIONS/_devproxy"') as terminal:
        terminal.press("devproxy rest\tap\t\r")
        until(lambda: stub.asked()[-1:] == [["restart", "api"]])


def test_in_ci_a_missing_shell_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        shells.program("no-such-shell")


def test_elsewhere_a_missing_shell_skips_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception):
        shells.program("no-such-shell")
