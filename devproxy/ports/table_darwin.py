"""LISTEN sockets on macOS, by lsof (which needs no privileges for one's own processes) and netstat."""

import subprocess
from collections.abc import Iterable

from devproxy.ports.family import tree

Found = set[tuple[int, str, int, int | None, int | None]]  # port, address, family, pid, uid

PATIENCE = 5.0  # seconds; lsof takes some 50 ms


def listeners(port: int | None = None) -> Found:
    """As table.listeners, unordered. Sockets of other users' processes are not seen at all."""
    return parse_lsof(_lines("lsof", "-nP", f"-iTCP{'' if port is None else f':{port}'}", "-sTCP:LISTEN", "-Fptn"))


def tree_listeners(pid: int) -> Found:
    """As table.tree_listeners, unordered."""
    pids = ",".join(map(str, tree(pid)))
    return parse_lsof(_lines("lsof", "-nP", "-a", "-p", pids, "-iTCP", "-sTCP:LISTEN", "-Fptn"))


def listening_ports() -> set[int]:
    """As table.listening_ports."""
    return parse_netstat(_lines("netstat", "-an", "-p", "tcp"))


def connections(port: int) -> set[tuple[int | None, int | None, bool]]:
    """As table.connections, unordered: pid, uid, is_over."""
    pids = parse_connected(_lines("lsof", "-nP", f"-iTCP:{port}", "-Fpn"), port)
    is_over = port in parse_netstat(_lines("netstat", "-an", "-p", "tcp"), "TIME_WAIT")
    return {(pid, None, False) for pid in pids} | ({(None, None, True)} if is_over else set())


def parse_connected(lines: Iterable[str], port: int) -> set[int]:
    """Who has a connection with its near end here: `nADDRESS:PORT->ADDRESS:PORT` in `lsof -Fpn`."""
    pids: set[int] = set()
    pid = 0
    for line in lines:
        kind, text = line[:1], line[1:].strip()
        if kind == "p":
            pid = int(text)
        elif kind == "n" and text.partition("->")[0].endswith(f":{port}") and "->" in text:
            pids.add(pid)
    return pids


def parse_lsof(lines: Iterable[str]) -> Found:
    """Output of `lsof -Fptn`: a line `pPID` a process, then `f`, `tIPv4` and `nADDRESS:PORT` a socket."""
    found: Found = set()
    pid, family = None, 4
    for line in lines:
        kind, text = line[:1], line[1:].strip()
        if kind == "p":
            pid = int(text)
        elif kind == "t":
            family = 6 if text == "IPv6" else 4
        elif kind == "n":
            address, _, port = text.rpartition(":")
            if port.isdecimal():
                wildcard = "::" if family == 6 else "0.0.0.0"
                found.add((int(port), wildcard if address == "*" else address.strip("[]"), family, pid, None))
    return found


def parse_netstat(lines: Iterable[str], state: str = "LISTEN") -> set[int]:
    """Output of `netstat -an -p tcp`: the local address is `ADDRESS.PORT`, the state comes last."""
    ports: set[int] = set()
    for line in lines:
        fields = line.split()
        if len(fields) >= 6 and fields[0].startswith("tcp") and fields[5] == state:
            port = fields[3].rpartition(".")[2]
            if port.isdecimal():
                ports.add(int(port))
    return ports


def _lines(*command: str) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines()  # lsof exits with 1 when it found nothing
