"""The sockets of Linux, as the kernel's own filter tells them, and as /proc/net does."""

import os
import socket
import sys
from contextlib import closing

import pytest

from tests.ports.children import closed_server

if sys.platform != "linux":
    pytest.skip("how Linux tells it", allow_module_level=True)

from devproxy.ports import sockets_linux, table
from devproxy.ports.sockets_linux import CONNECTED, LISTEN, Socket, connected, listening, parse

LINES = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 00000000  1000 0 4242 1 0 100\n",
    "   1: 0100007F:1F90 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000  1000 0 4243 1 0 20\n",
    "10002: 0100007F:1F90 0100007F:D2F2 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0\n",
    "10003: 0100007F:D2F2 0100007F:1F90 01 00000000:0000000A 00:00000000 00000000  1000 0 4244 1 0 20\n",
    "   0: 0100007F:1F90 00000000:0000 0A torn",
]


@pytest.fixture(params=["sock_diag", "/proc/net"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "/proc/net":
        monkeypatch.setattr(sockets_linux, "SOCK_DIAG", 31)  # there is none of this number
    return str(request.param)


@pytest.mark.skipif(sys.byteorder != "little", reason="recorded on such a machine")
def test_only_lines_of_the_wanted_state_and_port_count() -> None:
    server = Socket("4242", 8080, "127.0.0.1", 4, 1000, 2)
    assert list(parse(LINES, 4, [LISTEN])) == [server]
    assert [one.inode for one in parse(LINES, 4, CONNECTED)] == ["4243", "0", "4244"]
    assert [one.inode for one in parse(LINES, 4, CONNECTED, 8080)] == ["4243", "0"]
    assert list(parse(LINES, 4, [LISTEN], 8081)) == []


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_what_listens_is_told_alike_and_no_connection_of_it(way: str, family: int, host: str) -> None:
    with socket.create_server((host, 0), family=family) as server:
        address = server.getsockname()[:2]
        with socket.create_connection(address), socket.create_connection(address):
            [found] = [one for one in listening() if one.port == address[1]]
            assert (found.address, found.family, found.waiting) == (host, 6 if ":" in host else 4, 2)
            assert found.inode == str(os.fstat(server.fileno()).st_ino)


def test_connections_are_told_by_their_near_end(way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with closing(socket.create_connection(server.getsockname())) as client, closing(server.accept()[0]) as accepted:
            for one in (client, accepted):
                # What ended lately from the same number, on another address, has no inode any more.
                inodes = {found.inode for found in connected(one.getsockname()[1])} - {"0"}
                assert inodes == {str(os.fstat(one.fileno()).st_ino)}


def test_what_the_kernel_alone_still_has_is_over(way: str) -> None:
    port = closed_server(reuse=False)
    assert {one.inode for one in connected(port)} == {"0"}
    assert [(one.pid, one.is_over) for one in table.connections(port)] == [(None, True)]
