"""The start of one run."""

from pathlib import Path

from devproxy.config.model import Config, Logs, Service
from devproxy.logs import index
from devproxy.logs.log import Log
from devproxy.session.launch import Launch, Options
from devproxy.session.place import Place
from tests.support import free_port


def test_what_services_printed_that_there_are_no_more_does_not_pile_up(tmp_path: Path) -> None:
    place = Place(tmp_path)
    earlier = Log(place.logs, "earlier", Logs())
    for name in ("web", *(f"gone{number}" for number in range(20))):
        earlier.source(name).feed(b"hello\n")
    earlier.close()
    web = Service("web", "worker", tmp_path, command="true")
    launch = Launch(
        Config("shop", tmp_path, port=free_port(), services=(web,), logs=Logs(segments=4)), place, Options()
    )
    launch.abandon()
    kept = index.segments(place.logs)
    place.leave()
    assert "web" in kept
    assert sum(name.startswith("gone") for name in kept) == 4
