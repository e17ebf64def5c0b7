"""`.env` files: the values that python-dotenv has, and an error where it would only warn."""

import os
from pathlib import Path

import pytest
from dotenv.main import DotEnv

from devproxy.errors import ConfigError
from devproxy.processes.env_files import read

SHELL = {"HOME": "/home/me", "EMPTY": "", "X": "shell"}

CASES = {
    "plain": ("A=1", {"A": "1"}),
    "spaces around": ("  A = two words  ", {"A": "two words"}),
    "an empty value": ("A=\nB=\"\"\nC=''", {"A": "", "B": "", "C": ""}),
    "no end of line": ("A=1\nB=2", {"A": "1", "B": "2"}),
    "ends of line": ("A=1\r\nB=2\rC=3\n", {"A": "1", "B": "2", "C": "3"}),
    "later wins": ("A=1\nA=2", {"A": "2"}),
    "a byte order mark": ("\ufeffA=1", {"A": "1"}),
    "export": ("export A=1\nexport  B='2'", {"A": "1", "B": "2"}),
    "a bare name": ("A\nexport B\nC=1", {"C": "1"}),
    "comments": ("# one\n  # two\nA=1 # three\nB=1#2\nC= # four", {"A": "1", "B": "1#2", "C": ""}),
    "a comment behind quotes": ("A='x' # y\nB=\"# z\"", {"A": "x", "B": "# z"}),
    "single quotes": (r"A='it\'s $x \n \\'", {"A": r"it's $x \n " + "\\"}),
    "double quotes": (r'A="a\tb\n\"c\" \\ \z"', {"A": 'a\tb\n"c" \\ \\z'}),
    "spaces in quotes are kept": ("A='  x  '", {"A": "  x  "}),
    "no escapes without quotes": (r"A=a\nb\t", {"A": r"a\nb\t"}),
    "several lines": ('A="one\n# two\nthree"\nB=1', {"A": "one\n# two\nthree", "B": "1"}),
    "not ascii": ("GRUSS=grüß dich\nKANJI='漢字'\n\xc4=1", {"GRUSS": "grüß dich", "KANJI": "漢字", "\xc4": "1"}),
    "an equals sign": ("URL=postgres://u:p@h/db?a=b&c=d", {"URL": "postgres://u:p@h/db?a=b&c=d"}),
    "json": ('A=\'{"a": [1, 2]}\'\nB={"a":"b c"}', {"A": '{"a": [1, 2]}', "B": '{"a":"b c"}'}),
    "a quoted name": ("'A B'=1", {"A B": "1"}),
    "names with marks": ("a.b-c=1", {"a.b-c": "1"}),
    "a dollar alone": ("A=$HOME and $5", {"A": "$HOME and $5"}),
    "interpolation": ("A=1\nB=${A}2\nC=\"${B} ${A}\"\nD='${A}'", {"A": "1", "B": "12", "C": "12 1", "D": "1"}),
    "the shell's value": ("A=${HOME}/x\nB=${EMPTY}.", {"A": "/home/me/x", "B": "."}),
    "the shell's value counts first": ("X=file\nA=${X}", {"X": "file", "A": "shell"}),
    "nothing of that name": ("A=[${NOTHING}]\nB=${NOTHING:-else}\nC=${HOME:-else}", {"A": "[]", "B": "else", "C": "/home/me"}),
    "only what comes before": ("A=[${B}]\nB=1", {"A": "[]", "B": "1"}),
}  # fmt: skip


def values(*paths: Path, shell: dict[str, str] | None = None) -> dict[str, str]:
    found = read(paths, SHELL if shell is None else shell, seen_from=paths[0].parent)
    return {one.name: one.value for one in found}


@pytest.mark.parametrize("name", CASES)
def test_a_file_means_what_python_dotenv_takes_it_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, expected = CASES[name]
    file = tmp_path / ".env"
    file.write_bytes(text.encode())
    assert values(file) == expected
    monkeypatch.setattr(os, "environ", SHELL)  # theirs takes the shell's values from nowhere else
    theirs = DotEnv(file, encoding="utf-8-sig", override=False).dict()
    assert {name: value for name, value in theirs.items() if value is not None} == expected


def test_a_later_file_wins_sees_the_earlier_ones_values_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nB='two words' # why\n")
    (tmp_path / ".env.local").write_text("A=2\nC=${B}, ${A}\n")
    names = (".env", ".env.local", ".env.missing", ".env/below-a-file")
    assert values(*(tmp_path / name for name in names)) == {"A": "2", "B": "two words", "C": "two words, 2"}


def test_each_assignment_names_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / ".env").write_bytes(b'\n\n# x\nA="1\n2"\r\n\r\nB=3\n')
    found = read([tmp_path / ".env"], {}, seen_from=tmp_path / "api")
    assert [(one.name, one.where) for one in found] == [("A", "../.env:4"), ("B", "../.env:7")]


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        (b"A=1\n\nB C=2\n", [".env:3: expected NAME=value"]),
        (b"A='open\nB=1\n=2\n", [".env:1: expected NAME=value", ".env:3: expected NAME=value"]),
        (b'A="1" 2\n', [".env:1: expected NAME=value"]),
        (b"A=1\r\nB=\xff\n", [".env:2: expected UTF-8 text"]),
        (b"A=1\nB=\0\n", [".env:2: a NUL byte or a strange name, which no environment can hold"]),
        (b"'A=B'=1\n", [".env:1: a NUL byte or a strange name, which no environment can hold"]),
    ],
)
def test_what_python_dotenv_would_skip_is_an_error_with_its_line(
    data: bytes, problems: list[str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        values(tmp_path / ".env")
    assert caught.value.problems == problems


def test_what_cannot_be_read_is_no_missing_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    for name, problem in [
        ("folder", "folder: expected a file; this is none"),
        ("circle", "circle: cannot be read: Too many levels of symbolic links"),
        ("pipe", "pipe: expected a file; this is none"),
    ]:
        with pytest.raises(ConfigError) as caught:
            values(tmp_path / name)
        assert caught.value.problems == [problem]
