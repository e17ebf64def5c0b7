"""A URL that a config leads to, taken apart. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from devproxy.errors import DevproxyError
from devproxy.hosts import DEFAULT_PORTS


@dataclass(frozen=True, slots=True)
class UpstreamUrl:
    """Where an upstream is, as its own clients write it. base: the path in front of every target; empty: none."""

    scheme: str
    host: str  # in lower case; an IPv6 address without its brackets
    port: int
    base: str = ""

    @property
    def name(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def authority(self) -> str:
        """The Host field of a request to it: without the port, where that goes without saying."""
        return self.name if self.port == DEFAULT_PORTS[self.scheme] else f"{self.name}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Where to dial, one after the other."""
        hosts = ("127.0.0.1", "::1") if self.host == "localhost" else (self.host,)
        return tuple((host, self.port) for host in hosts)


def parse_url(text: str) -> UpstreamUrl:
    """Take a URL apart; http is meant where no scheme stands.

    Raises: DevproxyError: it has no host.
    """
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if not parts.hostname:
        raise DevproxyError(f"{text} has no host", hint="write it as http://127.0.0.1:9000")
    return UpstreamUrl(parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme], parts.path.rstrip("/"))
