"""A service with several instances: balanced, shown, restarted and stopped together."""

from pathlib import Path

import httpx

from tests.support import free_port, until
from tests.support.devproxy import Start
from tests.support.services import write_config

# Answers with the name that it has in its environment, and prints it for each request.
NAMED = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = os.environ["DEVPROXY_SERVICE"]
        print("asked", name, flush=True)
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name.encode())

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

CONFIG = """
[services.api]
kind = "backend"
command = "exec {python} named.py"
port = PORT
instances = 2

[services.late]
kind = "worker"
command = "exec sleep 600"
depends_on = { api = "ready" }

[services.docs]
command = "exec {python} named.py"
port = "auto"
instances = 2
start = "on-demand"

[[routes]]
prefix = "/"
to = "api"

[[routes]]
prefix = "/docs"
to = "docs"
"""


def test_instances_share_the_requests_and_are_one_service_for_who_commands(tmp_path: Path, devproxy: Start) -> None:
    (tmp_path / "named.py").write_text(NAMED)
    write_config(tmp_path, CONFIG.replace("PORT", '"auto"'))
    session = devproxy(tmp_path).wait_ready()
    assert "starting api (2), late behind" in session.output

    # Its requests
    answered = [httpx.get(session.url).text for _ in range(6)]
    assert sorted(answered) == ["api.1"] * 3 + ["api.2"] * 3

    assert session.services()["docs.1"]["state"] == session.services()["docs.2"]["state"] == "waiting"
    assert httpx.get(f"{session.url}/docs", timeout=20).text in ("docs.1", "docs.2")

    # Its state, its lines
    before = session.services()
    assert [(one["name"], one["instance_of"]) for one in before.values()][:2] == [("api.1", "api"), ("api.2", "api")]
    assert before["api.1"]["port"] != before["api.2"]["port"]
    assert "api  2 of 2 ready" in session.run("status")
    assert "api.1" in session.run("why", "api")
    assert "api.1" in session.run("env", "api", "--json")
    printed = session.run("logs", "api", "--grep", "asked").splitlines()
    assert sorted({tuple(line.split()) for line in printed}) == [
        ("api.1", "|", "asked", "api.1"),
        ("api.2", "|", "asked", "api.2"),
    ]
    assert session.run("logs", "api.2", "--grep", "asked").count("api.1") == 0

    # Commands
    session.run("restart", "api")
    after = session.services()
    assert all(after[name]["pid"] not in (before[name]["pid"], None) for name in ("api.1", "api.2"))
    session.run("stop", "api.1")
    assert {httpx.get(session.url).text for _ in range(3)} == {"api.2"}
    session.run("stop", "api")
    assert [session.services()[name]["state"] for name in ("api.1", "api.2")] == ["stopped", "stopped"]
    refused = httpx.get(session.url, headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json()["service"]) == (503, "api")
    session.run("start", "api")
    assert httpx.get(session.url).status_code == 200


def test_ports_follow_the_declared_one_and_one_that_dies_is_left_out_at_once(tmp_path: Path, devproxy: Start) -> None:
    port = until(lambda: (first := free_port()) and free_port_at(first + 1) and first)
    (tmp_path / "named.py").write_text(NAMED)
    write_config(tmp_path, CONFIG.replace("PORT", f"{port}\nrestart = 'never'"))
    session = devproxy(tmp_path).wait_ready()
    found = session.services()
    assert [found[name]["port"] for name in ("api.1", "api.2")] == [port, port + 1]
    session.run("stop", "api.2")
    assert [httpx.get(session.url).text for _ in range(3)] == ["api.1"] * 3


def free_port_at(port: int) -> bool:
    from devproxy.ports.probe import is_free

    return is_free(port)
