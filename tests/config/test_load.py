"""devproxy.toml and [tool.devproxy]: what is accepted, and what an error says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devproxy.config.load import load
from devproxy.config.model import Config, Hold, Logs, Ready, Reload, Route, Service, Stop
from devproxy.config.root import default_name
from devproxy.config.schema import is_host_pattern, is_text
from devproxy.errors import ConfigError
from devproxy.hosts import AllowedHosts, BadHost

Load = Callable[[str], Config]
Fail = Callable[[str], list[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    (root / "frontend").mkdir(parents=True)
    (root / "backend").mkdir()
    return root


@pytest.fixture
def loaded(project: Path) -> Load:
    def read(text: str) -> Config:
        (project / "devproxy.toml").write_text(text, encoding="utf-8")
        config = load(project)
        assert config is not None
        return config

    return read


@pytest.fixture
def problems(loaded: Load) -> Fail:
    def read(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loaded(text)
        return caught.value.problems

    return read


WEB = '[services.web]\ncommand = "npm run dev"\nport = 5173\n'
API = '[services.api]\ncommand = "uvicorn app:app"\nport = 8000\n'
ROUTE = f"{WEB}[[routes]]\nprefix = '/'\nto = 'web'\n"
AUTO = ROUTE.replace("5173", "'auto'")
FOLDER = "[services.web]\nstatic = 'dist'\n[[routes]]\nprefix = '/'\nto = 'web'\n"
STAGING = "[[routes]]\nprefix = '/'\nto = 'https://staging.example.test/v2/'\n"

SITE = "[services.site]\nstatic = 'dist'\n"

FULL = """
name = "shop"
port = 4500
allowed_hosts = ["*.shop.test"]
trusted_proxies = ["10.0.0.0/8"]

[services.db]
command = ["docker", "run", "postgres"]
kind = "worker"
stop = { signal = "SIGINT", grace_seconds = 10 }
ready = { log = "ready to accept", timeout_seconds = 90 }

[services.api]
kind = "backend"
command = "uvicorn app:app"
dir = "backend"
port = "auto"
env = { DEBUG = "1" }
env_files = [".env.dev"]
depends_on = { db = "ready" }
ready = { http = "/health", status = 200 }
watch = ["app/**/*.py"]
restart = "always"
start = "manual"
optional = true
stderr = "separate"

[services.web]
static = "dist"
dir = "frontend"

[services.other]
url = "http://127.0.0.1:9000/"

[[routes]]
prefix = "/"
to = "web"

[[routes]]
regex = '^/v\\d'
to = ["http://[::1]:9001"]
host = "api.localhost"
methods = ["GET", "POST"]
accept = "text/html"
request_headers = { set = { X-Debug = "1" }, remove = ["Cookie"] }

[[routes]]
prefix = "/api"
to = "api"
strip_prefix = true

[hold]
request_seconds = 0
[reload]
inject = "never"
[logs]
segments = 3
"""


def test_every_key_reaches_the_config(loaded: Load, project: Path) -> None:
    config = loaded(FULL)
    assert (config.name, config.root, config.port) == ("shop", project, 4500)
    assert config.source == project / "devproxy.toml"
    assert (config.allowed_hosts, config.trusted_proxies) == (("*.shop.test",), ("10.0.0.0/8",))
    assert config.service("db") == Service(
        name="db",
        kind="worker",
        dir=project,
        command=("docker", "run", "postgres"),
        stop=Stop("INT", 10.0),
        ready=Ready(log="ready to accept", timeout_seconds=90.0),
    )
    assert config.service("api") == Service(
        name="api",
        kind="backend",
        dir=project / "backend",
        command="uvicorn app:app",
        port="auto",
        env={"DEBUG": "1"},
        env_files=(project / "backend/.env.dev",),
        depends_on={"db": "ready"},
        ready=Ready(http="/health", status=200),
        watch=("app/**/*.py",),
        restart="always",
        start="manual",
        optional=True,
        stderr="separate",
    )
    assert config.service("web").static == project / "frontend/dist"
    assert config.service("other").url == "http://127.0.0.1:9000"
    assert [route.to for route in config.routes] == [("web",), ("http://[::1]:9001",), ("api",)]
    assert config.routes[1].regex == r"^/v\d"
    assert config.routes[1].methods == ("GET", "POST")
    assert config.routes[1].request_headers.set == {"X-Debug": "1"}
    assert config.routes[1].request_headers.remove == ("Cookie",)
    assert config.routes[2].strip_prefix
    assert (config.hold, config.reload, config.logs) == (
        Hold(request_seconds=0.0),
        Reload(inject="never"),
        Logs(segments=3),
    )


def test_without_a_config_there_is_none(project: Path) -> None:
    (project / "pyproject.toml").write_text('[project]\nname = "devproxy-user"\n[tool.ruff]\n')
    assert load(project) is None


def test_an_empty_file_is_a_config_of_defaults(loaded: Load, project: Path) -> None:
    source = project / "devproxy.toml"
    assert loaded("") == Config(name="shop", root=project, source=source)


def test_a_pyproject_table_is_a_config_and_its_keys_are_named_in_full(project: Path) -> None:
    file = project / "pyproject.toml"
    file.write_text('[project]\nname = "x"\n[tool.devproxy]\nport = 4501\n')
    config = load(project)
    assert config is not None
    assert (config.port, config.source) == (4501, file)
    file.write_text("[project]\nname = 'x'\n[tool.devproxy]\nprot = 4501\n")
    with pytest.raises(ConfigError) as caught:
        load(project)
    assert caught.value.problems == [
        'pyproject.toml:4: tool.devproxy.prot: unknown key; did you mean "port"?',
    ]


def test_two_configs_are_one_too_many(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.devproxy]\n")
    (project / "devproxy.toml").write_text("")
    with pytest.raises(ConfigError, match=r"there is a \[tool\.devproxy\] in pyproject\.toml too"):
        load(project)


def test_a_broken_pyproject_of_another_program_is_none_of_ours(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.ruff\n")
    assert load(project) is None


# What is wrong, and the one problem it gives: (line, key, part of the sentence).
WRONG: list[tuple[str, int, str, str]] = [
    ("prot = 1", 1, "prot", 'unknown key; did you mean "port"?'),
    ("zzzzzz = 1", 1, "zzzzzz", "unknown key; known here: port, services, name"),
    ("port = 70000", 1, "port", "expected a port from 1 to 65535; got 70000"),
    ("port = 0", 1, "port", "from 1 to 65535"),
    ('port = "auto"', 1, "port", 'from 1 to 65535; got "auto"'),
    ("port = true", 1, "port", "got true"),
    ("port = 1.5", 1, "port", "got 1.5"),
    ("port = 2026-01-01", 1, "port", "got 2026-01-01 (a date or time)"),
    ("port = -99999999999999999999", 1, "port", "far too large"),
    ('name = ""', 1, "name", "expected a name"),
    ('name = "a b"', 1, "name", "expected a name"),
    ("allowed_hosts = 'a.test'", 1, "allowed_hosts", 'expected a list of hosts such as ["app.test"'),
    ('allowed_hosts = ["*"]', 1, "allowed_hosts", "expected a list of hosts"),
    ('allowed_hosts = ["http://a.test"]', 1, "allowed_hosts", "expected a list of hosts"),
    ('trusted_proxies = ["proxy.test"]', 1, "trusted_proxies", "expected a list of addresses"),
    ("services = 1", 1, "services", "expected tables such as [services.web]; got 1"),
    ("[services]\nweb = 1", 2, "services.web", "expected a table such as [services.web]"),
    ("[services.web]", 1, "services.web", "expected one of command, static and url"),
    (f"{WEB}static = 'dist'", 4, "services.web.static", "expected only one of command, static and url"),
    (f"{WEB}cmd = 'x'", 4, "services.web.cmd", 'unknown key; did you mean "command"?'),
    (f"{WEB}dependson = {{}}", 4, "services.web.dependson", 'did you mean "depends_on"?'),
    (f"{WEB}cwd = 'x'", 4, "services.web.cwd", 'did you mean "dir"?'),
    (f"{WEB}kind = 'fronted'", 4, "services.web.kind", 'got "fronted"; did you mean "frontend"?'),
    (f"{WEB}dir = 'nowhere'", 4, "services.web.dir", '"nowhere" is none'),
    (f"{WEB}env = {{ A = 1 }}", 4, "services.web.env.A", "expected variables with texts as values"),
    (f"{WEB}env = {{ 'A-B' = '1' }}", 4, "services.web.env.A-B", "expected variables"),
    (f"{WEB}env = {{ PORT = '1' }}", 4, "services.web.env", "PORT is what `port` says"),
    (f"{WEB}depends_on = ['db']", 4, "services.web.depends_on", 'such as { db = "ready" }; got a list'),
    (f"{WEB}depends_on = {{ db = 'ready' }}", 4, "services.web.depends_on.db", 'no service "db"'),
    (f"{WEB}depends_on = {{ wbe = 'ready' }}", 4, "services.web.depends_on.wbe", 'did you mean "web"?'),
    (f"{WEB}depends_on = {{ web = 'ready' }}", 4, "services.web.depends_on", "in a circle: web → web"),
    (
        f"{WEB}depends_on = {{ x = 'up' }}\n[services.x]\ncommand = 'x'",
        4,
        "services.web.depends_on.x",
        '"exited-ok"',
    ),
    (
        f"{WEB}depends_on = {{ x = 'exited-ok' }}\n[services.x]\nurl = 'http://a:1'\n[[routes]]\nprefix='/'\nto='x'",
        4,
        "services.web.depends_on.x",
        "never exits",
    ),
    (
        f"{WEB}depends_on = {{ x = 'exited-ok' }}\n[services.x]\ncommand = 'x'\nrestart = 'always'",
        4,
        "services.web.depends_on.x",
        "started again whenever it exits",
    ),
    (f"{WEB}ready = {{ http = 'health' }}", 4, "services.web.ready.http", 'a path such as "/health"'),
    (f"{WEB}ready = {{ log = '(' }}", 4, "services.web.ready.log", "expected a regex"),
    (f"{WEB}ready = {{ port = true, log = 'x' }}", 4, "services.web.ready.log", "port is there too"),
    (f"{WEB}ready = {{ status = 200 }}", 4, "services.web.ready.status", "only http has a status"),
    (f"{WEB}ready = {{ http = '/', status = 99 }}", 4, "services.web.ready.status", "from 100 to 599"),
    (f"{WEB}ready = {{ timeout = 1 }}", 4, "services.web.ready.timeout", 'did you mean "timeout_seconds"?'),
    (f"{WEB}ready.timeout_seconds = 0", 4, "services.web.ready.timeout_seconds", "above 0; got 0"),
    (
        f"{WEB}watch = ['*']\nreload = {{ signal = 'KILL' }}",
        5,
        "services.web.reload.signal",
        "expected one of TERM, INT",
    ),
    (f"{WEB}watch = ['*']\nreload = {{}}", 5, "services.web.reload", "expected signal, one of TERM, INT"),
    (f"{WEB}reload = {{ signal = 'HUP' }}", 4, "services.web.reload", "say in `watch` which files do"),
    (f"{WEB}stop = {{ signal = 'SIGFOO' }}", 4, "services.web.stop.signal", "expected one of TERM, INT"),
    (f"{WEB}stop = {{ grace_seconds = -1 }}", 4, "services.web.stop.grace_seconds", "0 or more; got -1"),
    (f"{WEB}stop = {{ grace_seconds = nan }}", 4, "services.web.stop.grace_seconds", "0 or more"),
    (f"{WEB}stop = {{ grace_seconds = inf }}", 4, "services.web.stop.grace_seconds", "0 or more"),
    (f"{WEB}watch = ['/etc/*']", 4, "services.web.watch", "globs below dir"),
    (f"{WEB}watch = ['../x']", 4, "services.web.watch", "globs below dir"),
    (f"{WEB}restart = 'on_failure'", 4, "services.web.restart", 'did you mean "on-failure"?'),
    (f"{WEB}optional = 'yes'", 4, "services.web.optional", 'expected true or false; got "yes"'),
    (f"{WEB}instances = 0", 4, "services.web.instances", "from 1 to 100"),
    (f"{WEB}venv = 'nowhere'", 4, "services.web.venv", "there is none in"),
    (f"{WEB}stderr = 'merge'", 4, "services.web.stderr", 'did you mean "merged"?'),
    ("[services.web]\ncommand = ''", 2, "services.web.command", "expected a command"),
    ("[services.web]\ncommand = []", 2, "services.web.command", "expected a command"),
    ("[services.web]\ncommand = ['a', 1]", 2, "services.web.command", "expected a command"),
    (
        "[services.web]\ncommand = 'a\\u0000b'".replace("'", '"'),
        2,
        "services.web.command",
        "expected a command",
    ),
    ("[services.web]\ncommand = 'x'\nport = 0", 3, "services.web.port", 'or "auto"; got 0'),
    ("[services.Web]\ncommand = 'x'", 1, "services.Web", "expected a service name of a-z"),
    ("[services.-a]\ncommand = 'x'", 1, "services.-a", "expected a service name"),
    ("[services.'a b']\ncommand = 'x'", 1, "services.'a b'", "expected a service name"),
    ("[services.devproxy]\ncommand = 'x'", 1, "services.devproxy", "is taken"),
    (
        "[services.web]\nstatic = 'dist'\nport = 1",
        3,
        "services.web.port",
        "only a service with a command has it",
    ),
    ("[services.web]\nstatic = 'dist'\nready = {}", 3, "services.web.ready", "this one has static"),
    ("[services.web]\nurl = 'http://a:1'\nwatch = []", 3, "services.web.watch", "this one has url"),
    ("[services.web]\nurl = 'a:1'", 2, "services.web.url", "expected a URL such as"),
    ("[services.web]\nurl = 'http://a:1/x?y'", 2, "services.web.url", "expected a URL such as"),
    ("[services.web]\nurl = 'https://a/ü'", 2, "services.web.url", "expected a URL such as"),
    ("[services.web]\nurl = 'http://a:65536'", 2, "services.web.url", "expected a URL"),
    ("[services.web]\nurl = 'http://u@a'", 2, "services.web.url", "expected a URL"),
    (f"{WEB}{API.replace('8000', '5173')}", 6, "services.api.port", "5173 is the port of web already"),
    (f"{WEB.replace('5173', '4400')}", 3, "services.web.port", "4400 is the port of the gateway itself"),
    (f"{WEB}[routes]\nprefix = '/'", 4, "routes", "expected tables, each written as [[routes]]; got a table"),
    (f"routes = [1]\n{WEB}", 1, "routes[0]", "written as [[routes]]"),
    (f"{WEB}[[routes]]\nto = 'web'", 4, "routes[0]", "expected prefix or regex"),
    (f"{WEB}[[routes]]\nprefix = '/'\nregex = 'x'\nto = 'web'", 4, "routes[0]", "both are there"),
    (f"{WEB}[[routes]]\nprefix = '/'", 4, "routes[0]", "expected to = the name of a service"),
    (f"{WEB}[[routes]]\nprefix = 'api'\nto = 'web'", 5, "routes[0].prefix", 'begins with "/"'),
    (f"{WEB}[[routes]]\nprefix = '/a?b'\nto = 'web'", 5, "routes[0].prefix", 'without "?"'),
    (f"{WEB}[[routes]]\nprefix = '/__devproxy/x'\nto = 'web'", 5, "routes[0].prefix", "devproxy's own"),
    (f"{WEB}[[routes]]\nregex = '['\nto = 'web'", 5, "routes[0].regex", "expected a regex"),
    (
        f"{WEB}[[routes]]\nprefix = '/'\nto = 'wbe'",
        6,
        "routes[0].to",
        'no service "wbe"; did you mean "web"?',
    ),
    (f"{WEB}[[routes]]\nprefix = '/'\nto = 'qq'", 6, "routes[0].to", "the services are: web"),
    ("[[routes]]\nprefix = '/'\nto = 'api'", 3, "routes[0].to", "none is declared in this file"),
    (f"{WEB}[[routes]]\nprefix = '/'\nto = 1", 6, "routes[0].to", "expected the name of a service"),
    (f"{WEB}[[routes]]\nprefix = '/'\nto = 'ftp://x'", 6, "routes[0].to", "expected a URL"),
    (
        "[services.a]\ncommand = 'x'\n[[routes]]\nprefix = '/'\nto = 'a'",
        5,
        "routes[0].to",
        "a does not listen",
    ),
    (f"{WEB}[[routes]]\nprefix = '/'\nto = 'web'\nhost = 'a b'", 7, "routes[0].host", "expected a host"),
    (f"{WEB}[[routes]]\nprefix = '/'\nto = 'web'\nhost = '*.a'", 7, "routes[0].host", "expected a host"),
    (f"{WEB}[[routes]]\nregex = '\\u1234'\nto = 'web'", 5, "routes[0].regex", "expected a regex"),
    (f"{WEB}[[routes]]\nprefix = '/'\nto = 'web'\nmethods = ['get']", 7, "routes[0].methods", "in capitals"),
    (f"{WEB}[[routes]]\nprefix = '/'\nto = 'web'\naccept = 'html'", 7, "routes[0].accept", "a media type"),
    (
        f"{WEB}[[routes]]\nregex = 'x'\nto = 'web'\nstrip_prefix = true",
        7,
        "routes[0].strip_prefix",
        "only a prefix",
    ),
    (
        f"{WEB}[[routes]]\nprefix = '/'\nto = 'web'\nrequest_headers.set.Connection = 'close'",
        7,
        "routes[0].request_headers.set.Connection",
        "expected header fields",
    ),
    (
        f"{WEB}[[routes]]\nprefix = '/'\nto = 'web'\nresponse_headers.set.X = \"a\\r\\nb\"",
        7,
        "routes[0].response_headers.set.X",
        r'got "a\r\nb"',
    ),
    (
        f"{WEB}[[routes]]\nprefix = '/'\nto = 'web'\nrequest_headers.remove = ['Host']",
        7,
        "routes[0].request_headers.remove",
        "expected a list of header fields",
    ),
    (
        f"{WEB}[[routes]]\nprefix = '/'\nto = 'web'\n[[routes]]\nprefix = '/'\nto = 'web'",
        7,
        "routes[1]",
        "already",
    ),
    (f"{WEB}[[routes]]\npath = '/'\nto = 'web'\nregex = 'x'", 5, "routes[0].path", 'did you mean "prefix"?'),
    ("[hold]\nrequest_secs = 1", 2, "hold.request_secs", 'did you mean "request_seconds"?'),
    ("[hold]\nrequest_seconds = '1'", 2, "hold.request_seconds", 'a number of seconds, 0 or more; got "1"'),
    ("[reload]\nquiet_ms = -1", 2, "reload.quiet_ms", "from 0 to 60000"),
    ("[reload]\ninject = true", 2, "reload.inject", 'expected one of "auto", "always", "never"; got true'),
    ("[logs]\nsegments = 0", 2, "logs.segments", "from 1 to 10000"),
    # Keys that a later version fills.
    (f"{WEB}log_files = 'x.log'", 4, "services.web.log_files", "a list of files or globs"),
    (f"{WEB}profiles = ['a,b']", 4, "services.web.profiles", "a list of names"),
    (f"{WEB}instances = 101", 4, "services.web.instances", "from 1 to 100"),
    (f"{WEB}instances = 2\n[services.x]\ncommand = 'x'\nport = 5174", 7, "services.x.port", "of web already"),
    ("[services.x]\ncommand = 'x'\nport = 65535\ninstances = 2", 3, "services.x.port", "would get ports up to 65536"),
    (f"routes = []\n{WEB}start = 'on-demand'", 5, "services.web.start", "no route leads to web"),
    ("[services.web]\nurl = 'http://a'\nready = { http = '/' }", 3, "services.web.ready", "not yet supported"),
    # Several upstreams, probes and limits.
    (f"{WEB}[[routes]]\nprefix = '/'\nto = ['web', 'web']", 6, "routes[0].to", "web stands there twice"),
    (f"{WEB}[[routes]]\nprefix = '/'\nto = ['web', 'http://a/', 'http://a']", 6, "routes[0].to", "stands there twice"),
    (f"{WEB}[[routes]]\nprefix = '/'\nto = ['web', 'http//a']", 6, "routes[0].to", 'no service "http//a"'),
    (f"{WEB}[[routes]]\nprefix = '/'\nto = []", 6, "routes[0].to", "got an empty list"),
    (f"{WEB}{SITE}[[routes]]\nprefix = '/'\nto = ['web', 'site']", 8, "routes[0].to", "cannot be one of several"),
    (f"{SITE}[[routes]]\nprefix = '/'\nto = 'site'\nprobe = {{}}", 6, "routes[0].probe", "site is a folder"),
    (
        f"{SITE}[[routes]]\nprefix = '/'\nto = 'site'\nmax_requests.in_flight = 1",
        6,
        "routes[0].max_requests",
        "a folder",
    ),
    (f"{WEB}[[routes]]\nprefix = '/'\nto = 'web'\nbalance = 'sticky'", 7, "routes[0].balance", "only one upstream"),
    (f"{WEB}balance = 'sticky'", 4, "services.web.balance", "only one upstream: it is for a service with several"),
    (f"{WEB}instances = 2\nbalance = 'stick'", 5, "services.web.balance", 'got "stick"; did you mean "sticky"?'),
    (f"{WEB}probe = '/health'", 4, "services.web.probe", 'expected a table; got "/health"'),
    (f"{WEB}probe = {{ path = 'health' }}", 4, "services.web.probe.path", 'a path such as "/health"'),
    (f"{WEB}probe = {{ path = '/a b' }}", 4, "services.web.probe.path", 'a path such as "/health"'),
    (f"{WEB}probe = {{ method = 'POST' }}", 4, "services.web.probe.method", 'expected one of "HEAD", "GET"'),
    (f"{WEB}probe = {{ interval_seconds = 0.01 }}", 4, "services.web.probe.interval_seconds", "expected 0.1 or more"),
    (f"{WEB}probe = {{ timeout_seconds = 0 }}", 4, "services.web.probe.timeout_seconds", "above 0; got 0"),
    (f"{WEB}probe = {{ interval = 1 }}", 4, "services.web.probe.interval", 'did you mean "interval_seconds"?'),
    (f"{WEB}max_requests = 5", 4, "services.web.max_requests", "expected a table; got 5"),
    (f"{WEB}max_requests = {{}}", 4, "services.web.max_requests", "expected in_flight, per_second or both"),
    (f"{WEB}max_requests = {{ in_flight = 0 }}", 4, "services.web.max_requests.in_flight", "of 1 or more; got 0"),
    (f"{WEB}max_requests.per_second = 0.5", 4, "services.web.max_requests.per_second", "a whole number"),
    (
        f"{WEB}max_requests = {{ in_flight = 1, over = 'wait' }}",
        4,
        "services.web.max_requests.over",
        '"refuse", "next"',
    ),
    ("[services.x]\ncommand = 'x'\nprobe = {}", 3, "services.x.probe", "it does not listen"),
    ("[services.x]\ncommand = 'x'\nmax_requests.in_flight = 1", 3, "services.x.max_requests", "it does not listen"),
    (f"{SITE}probe = {{}}", 3, "services.site.probe", "this one has static"),
    (f"{SITE}max_requests.in_flight = 1", 3, "services.site.max_requests", "this one has static"),
    ("[services.x]\nurl = 'http://a'\nbalance = 'sticky'", 3, "services.x.balance", "this one has url"),
    # What a route changes.
    (f"{ROUTE}timeout_seconds = -1", 7, "routes[0].timeout_seconds", "a number of seconds, 0 or more"),
    (f"{ROUTE}set_method = 'get'", 7, "routes[0].set_method", "a method in capitals"),
    (f"{ROUTE}set_method = 'HEAD'", 7, "routes[0].set_method", "other than HEAD and CONNECT"),
    (f"{ROUTE}set_query = {{ a = 1 }}", 7, "routes[0].set_query.a", "parameters with texts as values"),
    (f"{ROUTE}set_body = 1", 7, "routes[0].set_body", "expected a text"),
    (f"{ROUTE}tls_verify = false", 7, "routes[0].tls_verify", "web has no certificate"),
    (f"{STAGING}tls_ca = 'devproxy.toml'", 4, "routes[0].tls_ca", "holds no certificate"),
    (f"{STAGING}tls_ca = 'nowhere.pem'", 4, "routes[0].tls_ca", "nowhere.pem cannot be read: No such file"),
    (f"{STAGING}tls_verify = 'no'", 4, "routes[0].tls_verify", "true or false"),
    (f"{AUTO}rewrite_origin = true", 7, "routes[0].rewrite_origin", "give web a fixed port"),
    (f"{FOLDER}set_method = 'POST'", 6, "routes[0].set_method", "web is a folder"),
    (f"{FOLDER}response_headers = {{ remove = ['X'] }}", 6, "routes[0].response_headers", "web is a folder"),
    ("[reload]\ninject = 'always'", 2, "reload.inject", "not yet supported"),
    ("[capture]\nbodies = true", 2, "capture.bodies", "not yet supported: true"),
    ("[capture]\nframes = true", 2, "capture.frames", "not yet supported"),
    ("[bus]\nurl = 'redis://x'", 2, "bus.url", "not yet supported"),
]


@pytest.mark.parametrize(("text", "line", "key", "part"), WRONG, ids=[f"{w[2]}-{w[3]}"[:50] for w in WRONG])
def test_what_is_wrong_is_told_with_file_line_and_key(
    problems: Fail, text: str, line: int, key: str, part: str
) -> None:
    [problem] = problems(text)
    assert problem.startswith(f"devproxy.toml:{line}: {key}: ")
    assert part in problem


def test_a_route_to_another_server_has_its_keys(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    (tmp_path / "devproxy.toml").write_text(
        f"{STAGING}tls_ca = 'ca.pem'\nrewrite_origin = true\ntimeout_seconds = 1.5\n"
        "set_method = 'POST'\nset_query = { page = '1', q = '' }\nset_body = ''\n"
    )
    config = load(tmp_path)
    assert config is not None
    [route] = config.routes
    assert route.to == ("https://staging.example.test/v2",)
    assert route.tls_ca == str(tmp_path / "ca.pem")
    assert (route.rewrite_origin, route.timeout_seconds) == (True, 1.5)
    assert (route.set_method, route.set_query, route.set_body) == ("POST", {"page": "1", "q": ""}, "")


def test_the_defaults_may_be_spelled_out_wherever_a_route_leads(tmp_path: Path) -> None:
    defaults = "timeout_seconds = 0\ntls_verify = true\ntls_ca = ''\nrewrite_origin = false\n"
    (tmp_path / "devproxy.toml").write_text(FOLDER + defaults)
    config = load(tmp_path)
    assert config is not None
    assert config.routes == (Route(prefix="/", to=("web",)),)


def test_a_regex_may_have_javascripts_named_groups(tmp_path: Path) -> None:
    pattern = r"^/(?<area>api|auth)/(?<!x)(?<=y)\(?<z"
    (tmp_path / "devproxy.toml").write_text(f"{WEB}[[routes]]\nregex = '{pattern}'\nto = 'web'\n")
    config = load(tmp_path)
    assert config is not None
    assert config.routes[0].regex == r"^/(?P<area>api|auth)/(?<!x)(?<=y)\(?<z"


def test_all_problems_are_told_at_once_in_the_order_of_the_file(problems: Fail) -> None:
    found = problems(f"{WEB}prot = 1\nkind = 'x'\n[hold]\nx = 1\n[[routes]]\nprefix = 'a'\nto = 'b'\n[zzz]\n")
    assert [problem.split(": ")[0] for problem in found] == [f"devproxy.toml:{n}" for n in (4, 5, 7, 9, 10, 11)]


def test_a_circle_of_dependencies_is_named(problems: Fail) -> None:
    text = "".join(
        f"[services.{name}]\ncommand = 'x'\ndepends_on = {{ {needed} = 'ready' }}\n"
        for name, needed in (("a", "b"), ("b", "c"), ("c", "d"), ("d", "b"))
    )
    assert problems(text) == [
        "devproxy.toml:6: services.b.depends_on: services wait for one another in a circle: b → c → d → b"
    ]


def test_dependencies_that_meet_again_are_no_circle(loaded: Load) -> None:
    text = "[services.d]\ncommand = 'x'\n" + "".join(
        f"[services.{name}]\ncommand = 'x'\ndepends_on = {{ {needs} }}\n"
        for name, needs in (
            ("b", "d = 'ready'"),
            ("c", "d = 'started'"),
            ("a", "b = 'ready', c = 'exited-ok'"),
        )
    )
    assert loaded(text).service("a").depends_on == {"b": "ready", "c": "exited-ok"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("port = 1\nname = \n", 2),
        ("port = 1\nport = 2\n", 2),
        ("port = 1\n\n[[a\n", 3),
        ('x = 1\na = """\nno end\n', 4),
        (f"a = {'9' * 5000}", 1),
        ("a = " + "[" * 5000, 1),
    ],
)
def test_a_syntax_error_names_the_file_and_the_line(problems: Fail, text: str, line: int) -> None:
    [problem] = problems(text)
    assert problem.startswith(f"devproxy.toml:{line}: expected TOML: ")


def test_a_file_that_is_not_utf_8_names_the_line(project: Path) -> None:
    (project / "devproxy.toml").write_bytes(b"port = 1\nname = '\xff'\n")
    with pytest.raises(ConfigError, match=r"devproxy\.toml:2: expected UTF-8 text"):
        load(project)


def test_hostile_text_in_a_file_moves_no_cursor(problems: Fail) -> None:
    [problem] = problems('"\\u001b[2J" = 1\n')
    assert problem.isprintable()
    [problem] = problems('port = "\\u001b[2J\\u202e"\n')
    assert problem.isprintable()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[services.x]\nstatic = 'dist'", "static"),
        ("[services.web]\nstatic = 'dist'", "static"),
        *[(f"[services.{name}]\ncommand = 'x'", "frontend") for name in ("web", "frontend", "client", "ui", "app")],
        *[(f"[services.{name}]\ncommand = 'x'", "backend") for name in ("api", "server", "backend")],
        ("[services.x]\ncommand = 'x'\nport = 1", "backend"),
        ("[services.x]\nurl = 'http://a'", "backend"),
        ("[services.x]\ncommand = 'x'", "worker"),
        ("[services.web]\ncommand = 'x'\nkind = 'task'", "task"),
    ],
)
def test_the_kind_follows_from_what_it_serves_its_name_and_its_port(loaded: Load, text: str, kind: str) -> None:
    [service] = loaded(text).services
    assert service.kind == kind


ADMIN = "[services.admin]\ncommand = 'x'\nport = 3000\nkind = 'frontend'\n"
DB = "[services.db]\ncommand = 'x'\nport = 5432\n"
STATIC = "[services.site]\nstatic = 'dist'\n"


@pytest.mark.parametrize(
    ("text", "routes"),
    [
        (WEB, {"/": "web"}),
        (API, {"/": "api"}),
        (STATIC, {"/": "site"}),
        (WEB + API, {"/": "web", "/api": "api"}),
        (STATIC + API, {"/": "site", "/api": "api"}),
        (WEB + API + DB, {"/": "web", "/api": "api"}),
        (WEB + ADMIN, {"/": "web"}),
        (WEB + "[services.jobs]\ncommand = 'x'", {"/": "web"}),
        ("[services.jobs]\ncommand = 'x'", {}),
        ("[services.web]\ncommand = 'x'", {}),
        ("[services.api]\nurl = 'http://a:1'", {"/": "api"}),
        ("routes = []\n" + WEB + API, {}),
        ("", {}),
    ],
)
def test_without_routes_the_page_gets_the_root_and_the_backend_beside_it_api(
    loaded: Load, text: str, routes: dict[str, str]
) -> None:
    assert loaded(text).routes == tuple(Route(prefix=prefix, to=(to,)) for prefix, to in routes.items())


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (ADMIN + ADMIN.replace("admin", "shop").replace("3000", "3001"), "which of admin, shop gets /"),
        (WEB + DB + DB.replace("db", "mq").replace("5432", "5672"), "which of db, mq gets /api"),
        (DB + DB.replace("db", "mq").replace("5432", "5672"), "which of db, mq gets /"),
    ],
)
def test_without_routes_services_that_could_be_meant_equally_are_asked_about(
    problems: Fail, text: str, part: str
) -> None:
    [problem] = problems(text)
    assert part in problem
    assert "expected [[routes]]" in problem


def test_the_nearest_virtual_environment_is_found(loaded: Load, project: Path) -> None:
    for venv in (project / ".venv", project / "backend/venv"):
        venv.mkdir()
        (venv / "pyvenv.cfg").touch()
    text = "[services.a]\ncommand = 'x'\ndir = 'backend'\n[services.b]\ncommand = 'x'\ndir = 'frontend'\n"
    config = loaded(text)
    assert config.service("a").venv == project / "backend/venv"
    assert config.service("b").venv == project / ".venv"


def test_paths_are_absolute_and_spelled_one_way(loaded: Load, project: Path) -> None:
    text = "[services.web]\nstatic = '../frontend/dist/'\ndir = './backend/../backend'\n"
    service = loaded(text).service("web")
    assert (service.dir, service.static) == (project / "backend", project / "frontend/dist")


@pytest.mark.parametrize(
    ("folder", "name"),
    [("shop", "shop"), ("My Shop!", "My-Shop"), ("äöü", "project"), (".x", "x"), ("a.b_c", "a.b_c")],
)
def test_the_default_name_is_the_folders_in_characters_fit_for_a_header(folder: str, name: str) -> None:
    assert default_name(Path("/somewhere") / folder) == name


TOML = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=5).filter(lambda text: "\n" not in text)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        *("name", "port", "allowed_hosts", "trusted_proxies", "hold", "reload", "logs", "capture", "bus"),
        *("services", "command", "static", "url", "dir", "kind", "env", "depends_on", "ready", "stop", "watch"),
        *("routes", "prefix", "regex", "to", "request_headers", "set", "remove", "signal", "http"),
    ]
)
DOCUMENTS = st.recursive(
    TOML, lambda inner: st.one_of(st.dictionaries(KEYS, inner, max_size=5), st.lists(inner, max_size=2))
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(KEYS, DOCUMENTS, max_size=5))
def test_any_document_is_a_config_or_a_list_of_problems(project: Path, document: dict[str, Any]) -> None:
    from devproxy.config.dump import toml_value

    text = "".join(f"{key} = {toml_value(value)}\n" for key, value in document.items())
    (project / "devproxy.toml").write_text(text.encode("utf-8", "replace").decode(), encoding="utf-8")
    try:
        found: Config | ConfigError | None = load(project)
    except ConfigError as error:
        found = error
    if isinstance(found, ConfigError):
        assert found.problems
        assert all(problem.startswith("devproxy.toml:") for problem in found.problems)
    else:
        assert isinstance(found, Config)


HOSTS = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"(\*?\.)?[A-Za-z0-9_.-]{1,20}", fullmatch=True),
    st.from_regex(r"\[?[0-9a-f:.%/]{2,12}\]?(:1)?", fullmatch=True),
    st.sampled_from(["fd00::1", "[fd00::1]", "fe80::1%eth0", "10.0.0.0/8", "::/0", "[::1]:80", "[::1", "*", "."]),
    st.ip_addresses().map(str),
)


@given(HOSTS.filter(is_text))
def test_an_allowed_host_is_one_that_the_gateway_takes(host: str) -> None:
    try:
        AllowedHosts([host])
        taken = True
    except BadHost:
        taken = False
    assert is_host_pattern(host) == taken
