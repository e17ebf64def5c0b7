"""Small real services for tests of the whole command: a few lines of Python each, no Node."""

import shlex
import sys
from pathlib import Path

PYTHON = shlex.quote(sys.executable)

# Answers every GET with its name and the path; writes what happens to it into the journal.
SERVER = """
import os, signal, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

name = sys.argv[1]

def journal(what):
    with open("journal", "a") as file:
        file.write(f"{name} {what}\\n")

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"{name} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

def asked(*_):
    journal("asked")
    raise SystemExit

signal.signal(signal.SIGTERM, asked)
server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
server.daemon_threads = True
journal("listens")
print(f"{name} is here", flush=True)
try:
    server.serve_forever()
finally:
    journal("gone")
"""

# Ignores every polite request; says so when it is asked.
STUBBORN = """
import signal
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda *_: print("I stay", flush=True))
print("stubborn is here", flush=True)
while True:
    signal.pause()
"""

# Starts a child that would outlive it, and writes its pid down. `apart`: in a session of the child's own.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session="apart" in sys.argv)
print(f"grandchild {child.pid} is here", flush=True)
time.sleep(600)
"""

# As lines of a Procfile.
SERVERS = {"web": "{python} server.py web", "api": "{python} server.py api"}

# One service behind everything.
API = """
[services.api]
kind = "backend"
command = "exec {python} server.py api"
port = "auto"

[[routes]]
prefix = "/"
to = "api"
"""

# A page, and an API below /api.
WEB_AND_API = """
[services.web]
kind = "frontend"
command = "exec {python} server.py web"
port = "auto"

[services.api]
kind = "backend"
command = "exec {python} server.py api"
port = "auto"

[[routes]]
prefix = "/"
to = "web"

[[routes]]
prefix = "/api"
to = "api"
"""


def write_services(root: Path) -> None:
    """Put the programs into a project's folder."""
    for name, source in (("server.py", SERVER), ("stubborn.py", STUBBORN), ("parent.py", PARENT)):
        (root / name).write_text(source)


def write_procfile(root: Path, **lines: str) -> None:
    """A Procfile.dev; `{python}` in a line is the interpreter that runs the tests."""
    write_services(root)
    text = "".join(f"{name}: {line.format(python=PYTHON)}\n" for name, line in lines.items())
    (root / "Procfile.dev").write_text(text)


def write_config(root: Path, text: str) -> None:
    """A devproxy.toml; `{python}` in it is the interpreter that runs the tests, inside a TOML string."""
    write_services(root)
    (root / "devproxy.toml").write_text(text.replace("{python}", PYTHON))
