import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.config.model import Logs
from devproxy.hub.topic import TopicClosed
from devproxy.logs import index
from devproxy.logs import log as module
from devproxy.logs.log import RING_BYTES, Log
from devproxy.logs.query import Query, read
from devproxy.logs.records import records_of
from tests.support import run


def texts(log: Log, service: str, count: int = 100) -> list[str]:
    return [record.text for record in log.last_lines(service, count)]


def test_a_line_is_published_when_it_is_whole():
    log = Log(None, "s", Logs())
    source = log.source("web")
    source.feed(b"hel")
    assert log.topic.last == 0
    source.feed(b"lo\nwor")
    assert texts(log, "web") == ["hello"]
    source.flush()
    assert texts(log, "web") == ["hello", "wor"]


def test_a_feed_is_one_chunk_however_many_lines_it_has():
    log = Log(None, "s", Logs())
    reader = log.topic.subscribe()
    log.source("web").feed(b"a\nb\nc\nrest")
    ((seq, chunk),) = reader.take().items
    assert (seq, chunk.first_seq, chunk.count, chunk.data) == (1, 1, 3, b"a\nb\nc\n")


def test_numbers_start_at_1_and_have_no_gap_over_all_services():
    log = Log(None, "s", Logs())
    log.source("web").feed(b"a\nb\n")
    log.say("ours")
    log.source("api", "stderr").feed(b"c\n")
    found = [one for _, chunk in log.topic.subscribe(0).take().items for one in records_of(chunk)]
    assert [(one.seq, one.service, one.stream) for one in found] == [
        (1, "web", "stdout"),
        (2, "web", "stdout"),
        (3, "devproxy", "devproxy"),
        (4, "api", "stderr"),
    ]


def test_the_streams_of_a_service_do_not_mix_their_unfinished_lines():
    log = Log(None, "s", Logs())
    log.source("web").feed(b"out")
    log.source("web", "stderr").feed(b"err\n")
    log.source("web").feed(b"put\n")
    assert texts(log, "web") == ["err", "output"]


def test_the_ring_is_bounded_by_its_bytes_too():
    log = Log(None, "s", Logs())
    for number in range(800):
        log.source("web").feed(b"%d" % number + b"x" * 60_000 + b"\n")
    held = [len(chunk.data) for _, chunk in log.topic.since(0)]
    assert sum(held) <= RING_BYTES < sum(held) + 100_000


def test_the_list_of_sessions_has_each_once_and_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SESSIONS_KEPT", 3)
    for session in ("a", "b", "c", "d", "e", "e"):
        Log(tmp_path, session, Logs()).close()
    assert index.sessions(tmp_path) == ["c", "d", "e"]


def test_our_own_lines_are_filtered_too():
    log = Log(None, "s", Logs())
    log.say("it said \x1b]0;owned\x07 and\nmore", "warning")
    assert [(one.text, one.level) for one in log.last_lines("devproxy", 9)] == [
        ("it said  and", "warning"),
        ("more", "warning"),
    ]


def test_the_last_lines_of_a_quiet_service_are_found_behind_a_noisy_one(tmp_path: Path):
    log = Log(tmp_path / "logs", "s", Logs(ring_lines=100))
    log.source("api").feed(b"one\ntwo\nthree\n")
    for _ in range(50):
        log.source("web").feed(b"noise\n" * 10)
    assert log.topic.first > 3
    assert texts(log, "api", 2) == ["two", "three"]
    assert [one.seq for one in log.last_lines("web", 150)] == list(range(354, 504))
    log.close()


def test_the_lines_of_a_traceback_are_errors():
    log = Log(None, "s", Logs())
    log.source("api").feed(b"Traceback (most recent call last):\n  File x\nValueError: no\nnext\n")
    assert [one.level for one in log.last_lines("api", 9)] == ["error", "error", "error", None]


def test_closing_ends_unfinished_lines_and_readers(tmp_path: Path):
    log = Log(tmp_path / "logs", "s", Logs())
    log.source("web").feed(b"no end")
    reader = log.topic.subscribe(0)
    log.close()
    assert [chunk.data for _, chunk in reader.take().items] == [b"no end\n"]
    with pytest.raises(TopicClosed):
        run(reader.next())
    log.source("web").feed(b"too late\n")
    assert [one.text for one in read(tmp_path / "logs", Query())] == ["no end"]


@given(st.lists(st.tuples(st.sampled_from(["web", "api"]), st.binary(max_size=40)), max_size=30))
def test_what_was_published_is_what_is_read_back(tmp_path_factory, feeds: list[tuple[str, bytes]]):
    directory = tmp_path_factory.mktemp("logs")
    log = Log(directory, "s", Logs())
    reader = log.topic.subscribe(0)
    for service, data in feeds:
        log.source(service).feed(data)
    log.close()
    published = [one for _, chunk in reader.take().items for one in records_of(chunk, "s")]
    stored = list(read(directory, Query()))
    assert [one.seq for one in stored] == list(range(1, len(stored) + 1))
    assert [(one.id(), one.text, one.service) for one in stored] == [
        (one.id(), one.text, one.service) for one in published
    ]


def test_logs_are_for_this_user_only(tmp_path: Path):
    log = Log(tmp_path / "logs", "s", Logs())
    log.source("web").feed(b"secret\n")
    log.close()
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "logs").glob("web.*")} == {0}


def test_a_directory_that_cannot_be_made_costs_one_warning(tmp_path: Path):
    (tmp_path / "file").write_text("")
    log = Log(tmp_path / "file" / "logs", "s", Logs())
    for number in range(10):
        log.source("web").feed(b"%d\n" % number)
    assert texts(log, "web") == [str(number) for number in range(10)]
    (warning,) = log.last_lines("devproxy", 10)
    assert warning.level == "warning"
    assert str(tmp_path / "file" / "logs") in warning.text
    log.close()


FULL = """
import os, resource, signal, sys
from pathlib import Path
from devproxy.config.model import Logs
from devproxy.logs import log as module
from devproxy.logs.log import Log
from devproxy.logs.query import Query, read
from tests.support import until

directory = Path(sys.argv[1])
log = Log(directory, "s", Logs())
web = log.source("web")
web.feed(b"fits\\n" * 10)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
for _ in range(10):
    web.feed(b"does not fit\\n" * 10)
assert (directory / "web.0001.log").read_bytes() == b"fits\\n" * 10, "a part of a chunk stayed"
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
def healed():
    web.feed(b"fits again\\n")
    return any("again" in one.text for one in log.last_lines("devproxy", 9))
until(healed, within=20)
assert log.last_lines("web", 200)[-1].text == "fits again"
said = [one.text for one in log.last_lines("devproxy", 9)]
log.close()
stored = [one.text for one in read(directory, Query(("web",)))]
assert stored[:10] == ["fits"] * 10 and set(stored[10:]) == {"fits again"}, stored
assert len(said) == 2 and "memory only" in said[0] and "lines are missing" in said[1], said
missing = log.topic.last - len(list(read(directory, Query())))
assert missing > 100 and f" {missing} lines are missing" in said[1], (missing, said)
print("healed")
"""


def test_a_full_disk_costs_one_warning_and_the_files_heal_when_there_is_room(tmp_path: Path):
    # A limit on the size of files stands for the full disk: it takes a part of a write and then refuses (EFBIG).
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "logs")], capture_output=True, text=True, timeout=40
    )
    assert (done.stdout.strip(), done.returncode) == ("healed", 0), done.stderr


REAL = """
import subprocess, sys, time
from pathlib import Path
from devproxy.config.model import Logs
from devproxy.logs.log import Log
from devproxy.logs.query import Query, read
from tests.support import until

disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
other = disk / "other"
other.write_bytes(b"x" * 700_000)
small = disk / "small"
small.write_bytes(b"x" * 50_000)
log = Log(disk / "logs", "s", Logs())
child = subprocess.Popen([sys.executable, "-c", "while True: print('x' * 99, flush=True)"], stdout=subprocess.PIPE)
reader, said = log.topic.subscribe(0), []
def feed():
    log.source("web").feed(child.stdout.read1(65536))
    said.extend(chunk.data.decode() for _, chunk in reader.take().items if chunk.service == "devproxy")
    return said
while len(feed()) < 1:
    pass
while log._disk._delay_us < 4_000_000:  # until it has been tried again
    feed()
log._disk._delay_us = 1_000_000
small.unlink()  # room for a short chunk, and no more
while log._disk._delay_us < 4_000_000:
    feed()
assert len(said) == 1 and "No space left" in said[0], said
assert child.poll() is None
assert len(log.last_lines("web", 1000)) == 1000
other.unlink()
until(lambda: len(feed()) > 1, within=30)
assert "written to disk again" in said[1], said
child.kill()
child.wait()
log.source("web").feed(b"the last\\n")
log.close()
stored = list(read(disk / "logs", Query(("web",))))
assert stored[-1].text == "the last" and {len(one.text) for one in stored[:-1]} == {99}
print("healed")
"""


def test_a_real_full_disk_costs_one_warning_and_no_process_and_heals(tmp_path: Path):
    # In a mount namespace of its own, so that nothing stays mounted; without root, as root of a user namespace.
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    done = subprocess.run(
        [*alone, sys.executable, "-c", REAL, str(tmp_path)], capture_output=True, text=True, timeout=50
    )
    assert (done.stdout.strip(), done.returncode) == ("healed", 0), done.stderr


KILLED = """
import sys
import tracemalloc
from pathlib import Path
from devproxy.config.model import Logs
from devproxy.logs.log import Log
log = Log(Path(sys.argv[1]), sys.argv[2], Logs(segment_mib=1, segments=100))
number = 0
while True:
    number += 1
    log.source("ab"[number % 2]).feed(b"%d " % number + b"x" * (number % 700) + b"\\n")
    if number == 200:
        print("go", flush=True)
"""


def test_what_a_sigkill_leaves_is_read_up_to_its_end_and_written_on(tmp_path: Path):
    for session in ("one", "two", "three"):
        with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), session], stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == b"go\n"
            writer.kill()
    log = Log(tmp_path, "four", Logs())
    log.source("a").feed(b"1 \n")
    log.close()
    found: dict[str, list[int]] = {}
    for record in read(tmp_path, Query()):
        assert record.text.startswith(f"{record.seq} ")
        found.setdefault(record.session, []).append(record.seq)
    assert list(found) == ["one", "two", "three", "four"]
    for seqs in found.values():
        assert seqs == list(range(1, len(seqs) + 1))
    assert min(len(found[session]) for session in ("one", "two", "three")) >= 200


def test_the_files_are_text_byte_for_byte(tmp_path: Path):
    log = Log(tmp_path, "s", Logs())
    log.source("web").feed(b"plain [red]text[/red]\n\xff\xfe\x80 no utf-8\n\x1b[31mred\x1b[0m\r\n")
    log.close()
    stored = (tmp_path / "web.0001.log").read_bytes()
    assert stored == b"plain [red]text[/red]\n\xff\xfe\x80 no utf-8\n\x1b[31mred\x1b[0m\n"
    found = subprocess.run(["grep", "-c", "red", tmp_path / "web.0001.log"], capture_output=True, text=True)
    assert found.stdout.strip() == "2"


def test_a_line_of_100_mib_costs_little_memory_and_comes_in_marked_parts(tmp_path: Path):
    log = Log(tmp_path, "s", Logs(segment_mib=1, segments=3, ring_lines=100))
    piece = b"x" * 65536
    log.source("web").feed(piece)
    tracemalloc.start()
    for _ in range(1600):
        log.source("web").feed(piece)
    log.source("web").feed(b"\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 1024 * 1024  # of which the ring has 100 parts: 6.4 MiB
    parts = log.last_lines("web", 10)
    assert all(part.text.endswith(" … [line cut]") for part in parts[:-1])
    assert not parts[-1].text.endswith("[line cut]")
    log.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4 * 1024 * 1024
