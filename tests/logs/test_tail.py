"""Files that a program logs into: real files, rotated and truncated as loggers do it."""

import asyncio
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from devproxy.config.model import Logs
from devproxy.logs.log import Log, Source
from devproxy.logs.tail import MAX_FILES, TURN_BYTES, Followed, LogFiles
from tests.support import auntil, run


class Following:
    """A log, and the files `patterns` name below tmp_path."""

    def __init__(self, folder: Path, *patterns: str) -> None:
        self.log = Log(None, "s", Logs())
        self.warned: list[str] = []
        self.files = LogFiles([("api", folder, patterns)], partial(Source, self.log), self.warned.append)

    def poll(self) -> None:
        self.files._scan_at = 0.0  # a look for new files is due
        while self.files.poll():
            pass

    def texts(self) -> list[str]:
        self.poll()
        return [record.text for record in self.log.last_lines("api", 10_000)]


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_only_lines_from_the_start_of_the_session_on_are_read(tmp_path: Path):
    (tmp_path / "a.log").write_text("old\n")
    following = Following(tmp_path, "a.log")
    append(tmp_path / "a.log", "new\n")
    assert following.texts() == ["new"]
    assert {record.stream for record in following.log.last_lines("api", 9)} == {"file"}


def test_a_file_that_is_not_there_is_waited_for_and_read_from_its_beginning(tmp_path: Path):
    following = Following(tmp_path, "log/development.log")
    assert following.texts() == []
    (tmp_path / "log").mkdir()
    append(tmp_path / "log/development.log", "one\ntwo\n")
    assert following.texts() == ["one", "two"]
    assert following.warned == []


def test_rotation_by_rename_loses_nothing_and_doubles_nothing(tmp_path: Path):
    path = tmp_path / "a.log"
    following = Following(tmp_path, "a.log")
    append(path, "1\n")
    following.poll()
    with path.open("a") as program:  # has it open over the rotation
        path.rename(tmp_path / "a.log.1")
        program.write("2\n")
        program.flush()
        following.poll()
        path.touch()  # as logrotate's `create`, before it tells the program
        following.poll()
        program.write("3\n")
    append(path, "4\n")
    following.poll()
    append(path, "5\n")
    assert following.texts() == ["1", "2", "3", "4", "5"]


def test_what_was_written_before_and_after_a_rotation_between_two_looks_is_read(tmp_path: Path):
    path = tmp_path / "a.log"
    following = Following(tmp_path, "a.log")
    append(path, "1\n")
    following.poll()
    append(path, "2\nhalf")
    path.rename(tmp_path / "a.log.1")
    append(path, "3\n")
    assert following.texts() == ["1", "2", "half", "3"]


def test_what_is_written_to_the_old_file_while_we_look_for_the_new_one_is_read(tmp_path: Path):
    class Looked(type(tmp_path)):
        """A path whose old file gets a line at the moment its new one is found."""

        def stat(self, **options: bool) -> os.stat_result:
            append(tmp_path / "a.log.1", "2\n")
            return super().stat(**options)

    (tmp_path / "a.log").touch()
    log = Log(None, "s", Logs())
    followed = Followed(tmp_path / "a.log", Source(log, "api", "file"))
    followed.poll()
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log", "3\n")
    followed.path = Looked(tmp_path / "a.log")
    followed.poll()
    followed.path = tmp_path / "a.log"
    followed.poll()
    assert [record.text for record in log.last_lines("api", 9)] == ["2", "3"]


def test_a_truncated_file_is_read_from_its_beginning(tmp_path: Path):
    path = tmp_path / "a.log"
    following = Following(tmp_path, "a.log")
    append(path, "1\n2\nhalf")
    following.poll()
    os.truncate(path, 0)
    append(path, "3\n")
    assert following.texts() == ["1", "2", "half", "3"]


def test_a_truncated_file_that_has_grown_again_is_noticed(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("old and long\n" * 10)
    following = Following(tmp_path, "a.log")
    os.truncate(path, 0)
    append(path, "new\n" * 100)  # longer than it was
    assert following.texts() == ["new"] * 100


def test_a_glob_finds_new_files_and_no_rotated_one_twice(tmp_path: Path):
    following = Following(tmp_path, "log/*")
    (tmp_path / "log").mkdir()
    append(tmp_path / "log/a.log", "a1\n")
    append(tmp_path / "log/b.log", "b1\n")
    following.poll()
    (tmp_path / "log/a.log").rename(tmp_path / "log/a.log.1")
    following.poll()
    append(tmp_path / "log/a.log", "a2\n")
    following.poll()
    assert following.texts() == ["a1", "b1", "a2"]


def test_only_so_many_files_are_held_open_and_that_is_said_once(tmp_path: Path):
    following = Following(tmp_path, "*")
    for number in range(MAX_FILES + 5):
        (tmp_path / f"{number:03d}").write_text(f"{number}\n")
    assert len(following.texts()) == MAX_FILES
    following.poll()
    assert len(following.warned) == 1


def test_a_pipe_and_a_folder_are_left_alone(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    following = Following(tmp_path, "pipe", ".")
    assert following.texts() == []


def test_a_file_that_cannot_be_read_is_said_once(tmp_path: Path):
    (tmp_path / "a").write_text("")
    following = Following(tmp_path, "a/b.log")
    following.poll()
    following.poll()
    assert len(following.warned) == 1
    assert "a/b.log" in following.warned[0]


def test_a_flood_in_one_file_leaves_the_others_their_turn(tmp_path: Path):
    following = Following(tmp_path, "flood.log", "other.log")
    append(tmp_path / "flood.log", "x" * 999 + "\n")
    append(tmp_path / "flood.log", ("x" * 999 + "\n") * (TURN_BYTES // 100))
    append(tmp_path / "other.log", "here\n")
    following.files.poll()
    texts = [record.text for record in following.log.last_lines("api", 1000)]
    assert "here" in texts
    assert len(texts) < 100


def test_another_config_follows_other_files_from_then_on(tmp_path: Path):
    following = Following(tmp_path, "a.log")
    append(tmp_path / "a.log", "a1\n")
    append(tmp_path / "b.log", "before\n")
    following.poll()
    following.files.adopt([("api", tmp_path, ("a.log", "b.log"))])
    append(tmp_path / "a.log", "a2\n")
    append(tmp_path / "b.log", "b1\n")
    following.poll()
    following.files.adopt([])
    append(tmp_path / "a.log", "a3\n")
    assert following.texts() == ["a1", "a2", "b1"]


def test_what_is_left_at_the_end_is_taken(tmp_path: Path):
    following = Following(tmp_path, "a.log", "late.log")
    append(tmp_path / "a.log", "last\nno end")
    append(tmp_path / "late.log", "late\n")
    following.files.finish()
    assert [record.text for record in following.log.last_lines("api", 9)] == ["last", "late", "no end"]


def followed_while(act: Callable[[], None], following: Following, count: int) -> float:
    """Run the task, act once it is idle, wait for `count` lines; the seconds they took."""

    async def scenario() -> float:
        task = asyncio.create_task(following.files.run())
        await asyncio.sleep(0)
        began = time.monotonic()
        act()
        await auntil(lambda: following.log.topic.last >= count)
        took = time.monotonic() - began
        task.cancel()
        return took

    return run(scenario())


def test_the_task_reads_what_is_appended(tmp_path: Path):
    following = Following(tmp_path, "a.log")
    followed_while(lambda: append(tmp_path / "a.log", "1\n2\n"), following, 2)
    assert following.texts() == ["1", "2"]


def test_an_idle_task_looks_at_most_a_few_times_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.log").write_text("x\n")
    following = Following(tmp_path, "a.log")
    looks: list[float] = []
    poll = following.files.poll
    monkeypatch.setattr(following.files, "poll", lambda: (looks.append(time.monotonic()), poll())[1])

    async def scenario() -> None:
        task = asyncio.create_task(following.files.run())
        await asyncio.sleep(1.5)
        task.cancel()

    run(scenario())
    assert len(looks) < 10
