"""client.js, the script that pages load from /__devproxy/client.js."""

from importlib.resources import files


def client_js() -> bytes:
    """The script's bytes (text/javascript, UTF-8)."""
    return files("devproxy.spa").joinpath("client.js").read_bytes()
