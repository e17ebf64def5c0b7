"""A project, and a `devproxy` that answers what it is told to and remembers what it was asked."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

CONFIG = """
[services.web]
command = "true"
[services.api]
command = "true"
"""

# $ASKED: each call's arguments, one call a line. $ANSWERS: a file a kind of names.
STUB = """#!/bin/sh
for argument; do printf '%s|' "$argument"; done >>"$ASKED"
echo >>"$ASKED"
if [ "$1" = complete ]; then cat "$ANSWERS/$2"; fi
"""


@dataclass
class Stub:
    """The `devproxy` on PATH."""

    folder: Path

    def answer(self, kind: str, *names: str) -> None:
        """What `devproxy complete KIND` prints from now on."""
        (self.folder / kind).write_text("".join(f"{name}\n" for name in names))

    def asked(self) -> list[list[str]]:
        """The arguments of each call so far."""
        calls = self.folder / "asked"
        return [line.split("|")[:-1] for line in calls.read_text().splitlines()] if calls.exists() else []


@pytest.fixture(scope="session")
def compinit_dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What zsh's compinit found, kept for the next test's."""
    return tmp_path_factory.mktemp("zsh") / "dump"


@pytest.fixture
def project(tmp_path: Path, compinit_dump: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config that plans web and api, for the shell to stand in."""
    monkeypatch.setenv("COMPINIT_DUMP", str(compinit_dump))
    root = tmp_path / "shop"
    root.mkdir()
    (root / "devproxy.toml").write_text(CONFIG)
    return root


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stub:
    folder = tmp_path / "stub"
    folder.mkdir()
    put_on_path(folder / "bin", STUB, monkeypatch)
    monkeypatch.setenv("ASKED", str(folder / "asked"))
    monkeypatch.setenv("ANSWERS", str(folder))
    stub = Stub(folder)
    stub.answer("services", "web", "api")
    stub.answer("logged", "web", "api", "devproxy")
    stub.answer("ports", "5173", "8000")
    return stub


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The `devproxy` on PATH is the one that these tests are of."""
    put_on_path(tmp_path / "bin", f'#!/bin/sh\nexec "{sys.executable}" -m devproxy "$@"\n', monkeypatch)


def put_on_path(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    program = folder / "devproxy"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
