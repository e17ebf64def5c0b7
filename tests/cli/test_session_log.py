import os
from pathlib import Path

from devproxy.cli.lines import Lines
from devproxy.cli.prefix import Painter
from devproxy.cli.session_log import SESSION_LOG, SessionLines, lines_for

PAINTER = Painter([], color=False)


def appending(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def test_a_session_log_is_replaced_when_it_is_long_and_one_is_kept(tmp_path: Path):
    path = tmp_path / SESSION_LOG
    out, err = appending(path), appending(path)
    lines = SessionLines(out, PAINTER, path, limit=1000, also=err)
    for number in range(100):
        lines.write(b"%099d\n" % number)
    os.write(err, b"a traceback\n")
    assert path.read_bytes().endswith(b"99\na traceback\n")
    assert sorted(file.name for file in tmp_path.iterdir()) == [SESSION_LOG, f"{SESSION_LOG}.1"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2 * 1100 + 12
    kept = (tmp_path / f"{SESSION_LOG}.1").read_bytes() + path.read_bytes()
    numbers = [int(line) for line in kept.split(b"\n")[:-2]]
    assert numbers == list(range(numbers[0], 100))
    os.close(out)
    os.close(err)


def test_only_the_session_log_itself_is_bounded(tmp_path: Path):
    ours, other = appending(tmp_path / SESSION_LOG), appending(tmp_path / "mine.txt")
    assert isinstance(lines_for(ours, PAINTER, tmp_path), SessionLines)
    assert type(lines_for(other, PAINTER, tmp_path)) is Lines
    assert type(lines_for(other, PAINTER, tmp_path / "none")) is Lines
    os.close(ours)
    os.close(other)
