"""Is a port free? Both families, EADDRINUSE of any kind of listener, TIME_WAIT not mistaken for one (SO_REUSEADDR)."""

import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from devproxy.errors import PortHeld
from devproxy.ports.probe import BAD_PORTS, PortInUse, bind_loopback, choose, is_free
from tests.ports.children import DUAL, IPV4, IPV6, REUSEPORT, WILDCARD, Children
from tests.support import free_port


@pytest.mark.parametrize("source", [IPV4, IPV6, WILDCARD, DUAL, REUSEPORT])
def test_a_port_with_a_listener_on_any_address_is_not_free(source: str, children: Children) -> None:
    port = free_port()
    assert is_free(port)
    children.start(source, port)
    assert not is_free(port)


def test_connections_in_time_wait_do_not_hold_a_port() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as server:
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # the server closes first: TIME_WAIT is on its port
        assert client.recv(1) == b""
        client.close()
    assert is_free(port)
    for one in bind_loopback(port):
        one.close()


def test_a_bound_port_is_listened_on_at_both_loopback_addresses() -> None:
    port = free_port()
    with ExitStack() as stack:
        for one in bind_loopback(port):
            stack.enter_context(one)
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=20).close()


def test_two_can_not_take_the_same_port() -> None:
    port = free_port()
    with ExitStack() as stack:
        for one in bind_loopback(port):
            stack.enter_context(one)
        with pytest.raises(PortInUse) as caught:
            bind_loopback(port)
    assert caught.value.port == port
    assert isinstance(caught.value, PortHeld)
    assert str(port) in caught.value.message


def test_when_one_family_is_taken_the_other_is_not_kept(children: Children) -> None:
    port = free_port()
    children.start(IPV6, port)
    with pytest.raises(PortInUse):
        bind_loopback(port)
    with socket.create_server(("127.0.0.1", port)):
        pass  # would raise if our IPv4 socket had stayed


def test_port_0_takes_one_port_for_both_families() -> None:
    sockets = bind_loopback(0)
    ports = {one.getsockname()[1] for one in sockets}
    for one in sockets:
        one.close()
    assert len(ports) == 1
    assert len(sockets) == 2


def test_the_preferred_port_is_chosen_when_it_is_free() -> None:
    port = free_port()
    assert choose(port) == port


def test_the_next_free_port_is_chosen_otherwise(children: Children) -> None:
    port = free_port()
    children.start(IPV4, port)
    chosen = choose(port, {port + 1})
    assert port + 1 < chosen < port + 100


@pytest.mark.parametrize("bad", [6000, 6666, 10080, 4190, 0])
def test_ports_that_browsers_refuse_are_never_chosen(bad: int) -> None:
    assert choose(bad) not in BAD_PORTS


def test_a_taken_privileged_port_leads_to_a_familiar_one() -> None:
    assert 8080 <= choose(80, {80}) < 8180


def test_no_port_left_is_an_error() -> None:
    with pytest.raises(PortInUse):
        choose(65535, range(65536))


def test_probing_needs_neither_psutil_nor_asyncio() -> None:
    code = (
        "import sys, devproxy.ports.probe as p; p.is_free(4400);"
        "print('psutil' in sys.modules, 'asyncio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
