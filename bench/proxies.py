"""What bench/ws and bench/bulk share: all proxies that are installed before one upstream, and a table of what they did.

To have all of them, see bench/http. `direct` is the upstream itself, with nothing in between. Load and upstream share
one core, the proxies have another, so that a proxy's rate is what one core of it can do. Its processor time is that of
all its processes; it stays a fair measure where the load, not the proxy, is the limit.
"""

import contextlib
import os
import re
import resource
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peers import Peer, Running

MIB = 2**20
NGINX_USUAL = "nginx (usual buffers)"
LARGE_BUFFERS = re.compile(r"(client_body|proxy(_busy)?)_buffer(s|_size|s_size) [^;]+;")


@contextlib.contextmanager
def proxies(upstream: Sequence[str], only: str, more: "Sequence[Peer]" = ()) -> "Iterator[list[Running]]":
    """The upstream (a command that takes a port) and every proxy that is installed, until the end of the block.

    Args: only: names with commas, empty for all; more: proxies that only one benchmark knows.
    """
    from peers import Running, cores, free_port, installed, started  # they need the environment's Python

    load_cores, proxy_cores = cores()
    if load_cores:
        os.sched_setaffinity(0, load_cores)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 16384), hard), hard))  # some thousand connections
    peers = installed()
    print("; ".join(f"{peer.name} {peer.version}" for peer in peers))
    peers += [with_usual_buffers(peer) for peer in peers if peer.name == "nginx"]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # nginx's worker is somebody else if we are root

        def home(number: int) -> Path:
            (path := folder / str(number)).mkdir()
            return path

        port = free_port()
        stack.enter_context(started("upstream", [*upstream, str(port)], home(0), port, load_cores))
        found = [Running("direct", port, None)]
        for number, peer in enumerate([*peers, *more], 1):
            if not only or peer.name in only.split(","):
                at, own = home(number), free_port()
                command = peer.command(at, own, port)
                found.append(stack.enter_context(started(peer.name, command, at, own, proxy_cores)))
        yield found


def with_usual_buffers(nginx: "Peer") -> "Peer":
    """nginx without the large buffers that it has in these benchmarks."""
    from peers import Peer

    def command(folder: Path, port: int, upstream: int) -> list[str]:
        words, config = nginx.command(folder, port, upstream), folder / "nginx.conf"
        config.write_text(LARGE_BUFFERS.sub("", config.read_text()))
        return words

    return Peer(NGINX_USUAL, nginx.version, command)


# -- figures


@dataclass(frozen=True)
class Aim:
    """What a figure of devproxy is held to: so many times another's, at least or at most."""

    what: str  # "rate" or "cpu"
    times: float
    whose: str

    def is_met(self, ratio: float) -> bool:
        return ratio >= self.times if self.what == "rate" else ratio <= self.times


@dataclass(frozen=True)
class Sample:
    """One measurement of one proxy: its rate, and the processor time of one unit of that."""

    rate: float
    cpu: float
    note: str = ""


Samples = dict[str, list[Sample]]


def report(title: str, rate: str, cpu: str, samples: Samples, aims: Sequence[Aim], reference: str) -> bool:
    """Print a table, and whether the aims were met; ratios are the median of those of each round."""
    print(f"\n{title:<26}{rate:>10}{'min':>9}{'max':>9}{'ratio':>8}{cpu:>14}{'ratio':>8}")
    for name, of in samples.items():
        rates = [one.rate for one in of]
        line = f"{name:<26}{statistics.median(rates):>10,.0f}{min(rates):>9,.0f}{max(rates):>9,.0f}"
        line += f"{of_ratio(samples, 'rate', name, reference):>8}"
        if name != "direct":
            line += f"{statistics.median(one.cpu for one in of):>14.2f}{of_ratio(samples, 'cpu', name, reference):>8}"
        print(line, of[-1].note)
    met = True
    for aim in aims:
        if aim.whose not in samples or "devproxy" not in samples:
            continue
        ratio = ratio_of(samples, aim.what, "devproxy", aim.whose)
        met &= aim.is_met(ratio)
        sign, what = ("≥", rate) if aim.what == "rate" else ("≤", cpu)
        verdict = "met" if aim.is_met(ratio) else "MISSED"
        print(f"  devproxy's {what}: {ratio:.2f} × {aim.whose} (aim {sign} {aim.times:g}) {verdict}")
    return met


def of_ratio(samples: Samples, what: str, name: str, reference: str) -> str:
    return f"{ratio_of(samples, what, name, reference):.2f}" if reference in samples else ""


def ratio_of(samples: Samples, what: str, name: str, whose: str) -> float:
    pairs = zip(samples[name], samples[whose], strict=True)
    return statistics.median(getattr(one, what) / (getattr(other, what) or 1e-9) for one, other in pairs)
