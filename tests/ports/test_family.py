"""Parents, descendants and process groups: orphans that init or a subreaper adopts, zombies, circles."""

import os
import signal

from devproxy.ports import family
from devproxy.ports.family import Row
from tests.ports.children import IPV4, Children
from tests.support import free_port, until

ROWS = {1: Row(0, 1), 10: Row(1, 10), 11: Row(10, 10), 12: Row(11, 12), 13: Row(11, 10), 20: Row(1, 20)}


def test_descendants_come_parents_first() -> None:
    assert family.descendants(ROWS, 10) == [11, 12, 13]
    assert family.descendants(ROWS, 20) == []
    assert family.descendants(ROWS, 99) == []


def test_ancestors_come_nearest_first_and_end_with_init() -> None:
    assert family.ancestors(ROWS, 12) == [11, 10, 1]
    assert family.ancestors(ROWS, 1) == []


def test_a_circle_of_parents_ends() -> None:
    circle = {2: Row(3, 2), 3: Row(2, 2)}
    assert family.ancestors(circle, 2) == [3, 2]
    assert family.descendants(circle, 2) == [3]


def test_members_share_a_group() -> None:
    assert family.members(ROWS, 10) == [10, 11, 13]


def test_our_own_line_reaches_from_us_to_init() -> None:
    rows = family.snapshot()
    pids, groups = family.own(rows)
    assert {os.getpid(), os.getppid(), 1} <= pids
    assert os.getpgrp() in groups


def test_a_snapshot_knows_parent_and_group_of_a_child(children: Children) -> None:
    parent, worker = children.reloader(IPV4, free_port())
    rows = family.snapshot()
    assert rows[worker] == Row(parent.pid, parent.pid)
    assert family.tree(parent.pid) == [parent.pid, worker]


def test_a_zombie_is_in_no_snapshot(children: Children) -> None:
    process = children.start(IPV4, free_port())
    assert process.pid in family.snapshot()
    os.kill(process.pid, signal.SIGKILL)  # and not reaped yet
    until(lambda: process.pid not in family.snapshot())
    assert process.poll() is not None
