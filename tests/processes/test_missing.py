"""What shells say of a program that is not there."""

import pytest

from devproxy.processes.missing import not_found


@pytest.mark.parametrize(
    "line",
    [
        "sh: 1: vite: not found",
        "/bin/sh: 1: vite: not found",
        "sh: vite: command not found",
        "bash: line 1: vite: command not found",
        "zsh:1: command not found: vite",
        "/usr/bin/env: 'vite': No such file or directory",
        "env: vite: No such file or directory",
    ],
)
def test_it_is_found_among_other_lines(line: str) -> None:
    assert not_found(["> dev", "> vite --port 5173", "", line, "npm error code 127"]) == line


@pytest.mark.parametrize("line", ["GET /x: not found", "page not found", "config.json: No such file or directory"])
def test_other_things_that_are_not_found_do_not_count(line: str) -> None:
    assert not_found([line]) is None
