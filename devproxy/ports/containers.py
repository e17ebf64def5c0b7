"""The containers that publish ports, by name, if docker or podman can say it quickly."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

PATIENCE = 2.0  # seconds for the client to answer; the name is a courtesy
PUBLISHED = re.compile(r":([0-9]{1,5})(?:-([0-9]{1,5}))?->[0-9-]+/tcp")


def published() -> dict[int, str]:
    """The containers that publish ports, by port; empty when there are none, or nobody can say."""
    found: dict[int, str] = {}
    for client in ("docker", "podman"):
        if (program := shutil.which(client)) is not None and _is_local(client):
            for line in _output([program, "ps", "--format", "{{.Names}}\t{{.Ports}}"]).splitlines():
                name, _, ports = line.partition("\t")
                found |= dict.fromkeys(parse_ports(ports), name)
    return found


def parse_ports(text: str) -> Iterator[int]:
    """The host's TCP ports in what `docker ps` says: `127.0.0.1:8000-8001->80-81/tcp, [::]:53->53/udp, 443/tcp`."""
    for first, last in PUBLISHED.findall(text):
        yield from range(int(first), int(last or first) + 1)


def _is_local(client: str) -> bool:
    """A client that speaks to another machine would name a container there."""
    elsewhere = {"docker": "DOCKER_HOST", "podman": "CONTAINER_HOST"}[client]
    return os.environ.get(elsewhere, "unix:").startswith("unix:")


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
