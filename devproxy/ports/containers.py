"""The container that publishes a port, by name, if docker or podman can say it quickly."""

import os
import shutil
import subprocess

PATIENCE = 2.0  # seconds for the client to answer; the name is a courtesy


def container_publishing(port: int) -> str:
    """The container's name; empty when none is known."""
    for client in ("docker", "podman"):
        if (program := shutil.which(client)) is not None and _is_local(client):
            command = [program, "ps", "--filter", f"publish={port}", "--format", "{{.Names}}"]
            if names := _output(command).split():
                return names[0]
    return ""


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
