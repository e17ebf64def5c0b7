"""Who listens, without lsof and ss: LISTEN sockets only, workers that share one, other states never."""

import os
import socket

import pytest

from devproxy.ports import table
from devproxy.ports.table import Listener
from tests.ports.children import CLIENT, DUAL, IPV4, IPV6, PREFORK, WILDCARD, Children
from tests.support import free_port


@pytest.mark.parametrize(
    ("source", "address", "family"),
    [(IPV4, "127.0.0.1", 4), (IPV6, "::1", 6), (WILDCARD, "0.0.0.0", 4), (DUAL, "::", 6)],
)
def test_a_listener_is_found_with_its_address(source: str, address: str, family: int, children: Children) -> None:
    port = free_port()
    process = children.start(source, port)
    assert table.listeners(port) == [Listener(port, address, family, process.pid)]


def test_a_client_of_the_port_is_no_listener(children: Children) -> None:
    port = free_port()
    server = children.start(IPV4, port)
    children.start(CLIENT, port)
    assert [one.pid for one in table.listeners(port)] == [server.pid]


def test_all_workers_that_share_a_socket_are_found(children: Children) -> None:
    port = free_port()
    process = children.start(PREFORK, port)
    pids = {one.pid for one in table.listeners(port)}
    assert len(pids) == 2
    assert process.pid in pids


def test_a_port_that_is_only_bound_has_no_listener() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert table.listeners(port) == []
        assert port not in table.listening_ports()
        bound.listen()
        assert [one.pid for one in table.listeners(port)] == [os.getpid()]
        assert port in table.listening_ports()


def test_a_tree_listens_where_its_descendants_do(children: Children) -> None:
    port, other = free_port(), free_port()
    parent, worker = children.reloader(IPV4, port)
    children.start(IPV4, other)
    assert table.tree_listeners(parent.pid) == [Listener(port, "127.0.0.1", 4, worker)]


def test_a_process_that_is_gone_listens_nowhere(children: Children) -> None:
    process = children.start(IPV4, free_port())
    process.kill()
    process.wait()
    assert table.tree_listeners(process.pid) == []


LSOF = """\
p501
f12
tIPv4
n127.0.0.1:8000
f13
tIPv6
n[::1]:8000
p777
f5
tIPv6
n*:5173
f6
tIPv4
n*:5173
""".splitlines()

NETSTAT = """\
Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  127.0.0.1.8000         *.*                    LISTEN
tcp6       0      0  ::1.5173               *.*                    LISTEN
tcp46      0      0  *.3000                 *.*                    LISTEN
tcp4       0      0  127.0.0.1.8000         127.0.0.1.51234        ESTABLISHED
tcp4       0      0  127.0.0.1.51200        127.0.0.1.9000         TIME_WAIT
""".splitlines()


def test_recorded_output_of_lsof_is_understood() -> None:
    from devproxy.ports.table_darwin import parse_lsof

    assert parse_lsof(LSOF) == {
        (8000, "127.0.0.1", 4, 501, None),
        (8000, "::1", 6, 501, None),
        (5173, "::", 6, 777, None),
        (5173, "0.0.0.0", 4, 777, None),
    }


def test_recorded_output_of_netstat_is_understood() -> None:
    from devproxy.ports.table_darwin import parse_netstat

    assert parse_netstat(NETSTAT) == {8000, 5173, 3000}
    assert parse_netstat(NETSTAT, "TIME_WAIT") == {51200}


CONNECTED = """\
p501
f12
n127.0.0.1:8000
f13
n127.0.0.1:8000->127.0.0.1:51234
p777
f5
n127.0.0.1:51234->127.0.0.1:8000
p888
f9
n[::1]:8000->[::1]:51235
""".splitlines()


def test_recorded_output_of_lsof_says_whose_connections_end_here() -> None:
    from devproxy.ports.table_darwin import parse_connected

    assert parse_connected(CONNECTED, 8000) == {501, 888}
    assert parse_connected(CONNECTED, 51234) == {777}
