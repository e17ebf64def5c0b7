"""A config written as devproxy.toml reads back as itself."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devproxy.config.dump import to_toml
from devproxy.config.instances import expand
from devproxy.config.load import load
from devproxy.config.model import (
    Config,
    FieldEdits,
    Hold,
    Logs,
    MaxRequests,
    Probe,
    Ready,
    Reload,
    ReloadSignal,
    Route,
    Service,
    Stop,
)

AWKWARD = ['"', "'", "\\", "\x7f", "\x1b[2J", "a\r\nb\tc", '"' * 3, "'" * 3, "# none", "a\u2028b", "true"]
TEXT = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12).filter(
        lambda text: bool(text.strip())
    ),
)
NAME = st.from_regex(r"[a-z][a-z0-9_-]{0,6}", fullmatch=True).filter(lambda name: name != "devproxy")
SECONDS = st.one_of(st.integers(0, 999).map(float), st.floats(0, 1e6))
VARIABLE = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "PORT")
FIELDS = st.dictionaries(st.from_regex(r"X-[A-Za-z0-9!#.]{1,8}", fullmatch=True), st.just('a "b" \\'), max_size=2)
READY = st.one_of(
    st.builds(
        Ready,
        http=st.just("/health"),
        status=st.one_of(st.none(), st.integers(100, 599)),
        timeout_seconds=SECONDS.filter(bool),
    ),
    st.builds(Ready, port=st.booleans()),
    st.builds(Ready, log=TEXT.map(re.escape)),
    st.builds(Ready, command=TEXT),
    st.builds(Ready, started=st.booleans()),
)
PROBES = st.one_of(
    st.none(),
    st.builds(
        Probe,
        path=st.sampled_from(["/", "/health?a=b"]),
        method=st.sampled_from(["HEAD", "GET"]),
        interval_seconds=SECONDS.filter(lambda seconds: seconds >= 0.1),
        timeout_seconds=SECONDS.filter(bool),
    ),
)
LIMITS = st.one_of(
    st.none(),
    st.builds(
        MaxRequests, st.integers(1, 99), st.one_of(st.none(), st.integers(1, 99)), st.sampled_from(["refuse", "next"])
    ),
)
EDITS = st.builds(FieldEdits, set=FIELDS, remove=st.sampled_from([(), ("Cookie", "Via")]))


@st.composite
def services(draw: st.DrawFn, root: Path, name: str, earlier: list[str], port: int) -> Service:
    directory = draw(st.sampled_from([root, root / "web", root / "über uns/api"]))
    kind = draw(st.sampled_from(["frontend", "backend", "fullstack", "static", "worker", "task"]))
    source = draw(st.sampled_from(["command", "command", "static", "url"]))
    optional = draw(st.booleans())
    if source == "static":
        static = directory / draw(st.sampled_from(["dist", "a b/öut", "."]))
        return Service(name=name, kind=kind, dir=directory, static=static, optional=optional)
    if source == "url":
        url = "http://127.0.0.1:9000"
        return Service(name, kind, directory, url=url, probe=draw(PROBES), max_requests=draw(LIMITS))
    instances = draw(st.sampled_from([1, 1, 3]))
    listens = draw(st.sampled_from([None, "auto", port]))
    return Service(
        name=name,
        kind=kind,
        dir=directory,
        command=draw(st.one_of(TEXT, st.lists(TEXT, min_size=1, max_size=3).map(tuple))),
        port=listens,
        balance=draw(st.sampled_from(["round-robin", "sticky", "least-latency"])) if instances > 1 else "round-robin",
        probe=draw(PROBES) if listens else None,
        max_requests=draw(LIMITS) if listens else None,
        env=draw(st.dictionaries(VARIABLE, st.one_of(TEXT, st.just("")), max_size=9)),
        env_files=draw(st.sampled_from([(), (directory / ".env", root / ".env.x")])),
        depends_on=draw(
            st.dictionaries(st.sampled_from(earlier), st.sampled_from(["started", "ready"])) if earlier else st.just({})
        ),
        ready=draw(READY),
        watch=(watch := draw(st.sampled_from([(), ("app/**/*.py", "*.toml")]))),
        reload=draw(st.sampled_from([None, ReloadSignal("HUP")])) if watch else None,
        restart=draw(st.sampled_from(["on-failure", "always", "never"])),
        stop=draw(st.builds(Stop, signal=st.sampled_from(["TERM", "INT"]), grace_seconds=SECONDS)),
        start=draw(st.sampled_from(["auto", "manual"])),
        profiles=draw(st.sampled_from([(), ("full", "e2e-2")])),
        optional=optional,
        stderr=draw(st.sampled_from(["merged", "separate"])),
        venv=draw(st.sampled_from([None, root / "environment"])),
        instances=instances,
    )


@st.composite
def configs(draw: st.DrawFn, root: Path) -> Config:
    names = draw(st.lists(NAME, max_size=4, unique=True))
    made = [draw(services(root, name, names[:index], 5000 + 10 * index)) for index, name in enumerate(names)]
    folders = [service.name for service in made if service.static is not None]
    targets = [service.name for service in made if service.url is not None or service.port is not None]
    urls = ["http://[::1]:9001", "https://a.test"]
    plain = st.builds(
        Route,
        to=st.sampled_from([*folders, *targets, "https://a.test/v2"]).map(lambda to: (to,)),
        prefix=st.sampled_from(["/", "/api", "/it's", "/a-ö".encode("ascii", "ignore").decode()]),
        host=st.sampled_from([None, "admin.localhost"]),
        methods=st.sampled_from([(), ("GET", "POST")]),
        accept=st.sampled_from([None, "text/html"]),
        strip_prefix=st.booleans(),
    )
    changing = st.builds(
        Route,
        to=st.one_of(
            st.sampled_from([*targets, *urls]).map(lambda to: (to,)),
            st.lists(st.sampled_from([*targets, *urls]), min_size=2, unique=True).map(tuple),
        ),
        balance=st.sampled_from(["round-robin", "sticky", "least-latency"]),
        probe=PROBES,
        max_requests=LIMITS,
        prefix=st.sampled_from(["/", "/api"]),
        timeout_seconds=SECONDS,
        set_method=st.sampled_from([None, "POST"]),
        set_query=st.dictionaries(TEXT, TEXT, max_size=2),
        set_body=st.one_of(st.none(), st.just(""), TEXT),
        request_headers=EDITS,
        response_headers=EDITS,
    )
    changing = changing.map(lambda route: route if len(route.to) > 1 else replace(route, balance="round-robin"))
    trusting = st.builds(
        Route,
        to=st.just(("https://a.test",)),
        prefix=st.just("/"),
        tls_ca=st.just(str(root / "web" / "ca.pem")),
        rewrite_origin=st.booleans(),
    )
    unsafe = st.builds(Route, to=st.just(("https://a.test",)), prefix=st.just("/"), tls_verify=st.booleans())
    route = st.one_of(plain, changing, trusting, unsafe)
    pattern = st.builds(lambda route: replace(route, prefix=None, regex=r"^/v\d'\"", strip_prefix=False), route)
    return Config(
        name=draw(st.sampled_from(["shop", "Other.1"])),
        root=root,
        port=draw(st.integers(1, 4999)),
        allowed_hosts=draw(st.sampled_from([(), ("*.a.test", ".b.test", "fd00::1")])),
        trusted_proxies=draw(st.sampled_from([(), ("10.0.0.0/8",)])),
        services=tuple(made),
        routes=tuple(draw(st.lists(st.one_of(route, pattern), max_size=3, unique_by=repr))),
        hold=draw(st.builds(Hold, SECONDS, SECONDS)),
        reload=draw(st.builds(Reload, st.booleans(), st.sampled_from(["auto", "never"]), st.integers(0, 100))),
        logs=draw(st.builds(Logs, segments=st.integers(1, 20))),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    for folder in ("web", "über uns/api", "environment/bin"):
        (root / folder).mkdir(parents=True)
    (root / "web" / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    return root


def read_back(text: str, root: Path) -> Config:
    # newline="": what was written is what is read, on every system.
    (root / "devproxy.toml").write_text(text, encoding="utf-8", newline="")
    config = load(root)
    assert config is not None
    return replace(config, source=None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_what_was_written_reads_back(root: Path, data: st.DataObject) -> None:
    config = data.draw(configs(root))
    names = [f"services.{service.name}" for service in config.services]
    comments = data.draw(st.dictionaries(st.sampled_from([*names, "routes.0"]), st.text(max_size=20)))
    running = replace(config, services=expand(config.services))
    assert read_back(to_toml(config, comments), root) == running
    assert to_toml(running, comments) == to_toml(config, comments)


def test_a_discovered_project_is_written_as_a_person_would(root: Path) -> None:
    config = Config(
        name="shop",
        root=root,
        services=(
            Service(
                name="api",
                kind="backend",
                dir=root / "über uns/api",
                command="uvicorn app:app --port $PORT",
                port=8000,
                watch=("**/*.py",),
            ),
            Service(
                name="web",
                kind="frontend",
                dir=root / "web",
                command='npm run dev -- --title "Shop"',
                port=5173,
                env={"VITE_API_URL": "http://localhost:4400/a/rather/long/path", "VITE_TITLE": "x" * 40},
            ),
        ),
        routes=(Route(prefix="/", to=("web",)), Route(prefix="/api", to=("api",), strip_prefix=True)),
    )
    text = to_toml(config, {"services.api": "fastapi: in pyproject.toml", "routes.1": "two\nlines"})
    body = "\n".join(
        line for line in text.splitlines() if not line.startswith("#") or line[2:5] in ("fas", "two", "lin")
    )
    assert (
        body.strip()
        == f"""\
# fastapi: in pyproject.toml
[services.api]
dir = "über uns/api"
command = "uvicorn app:app --port $PORT"
port = 8000
watch = ["**/*.py"]

[services.web]
dir = "web"
command = 'npm run dev -- --title "Shop"'
port = 5173
env.VITE_API_URL = "http://localhost:4400/a/rather/long/path"
env.VITE_TITLE = "{"x" * 40}"

[[routes]]
prefix = "/"
to = "web"

# two
# lines
[[routes]]
prefix = "/api"
to = "api"
strip_prefix = true"""
    )


def test_the_keys_that_stand_there_commented_out_may_be_uncommented(root: Path) -> None:
    text = to_toml(Config(name="shop", root=root, services=(Service("a", "worker", root, command="x"),)), {})
    head, tail = text.split("routes = []\n")
    offered = [re.sub(r"^# *(?=\w+ = |\[)", "", line) for line in (*head.splitlines(), *tail.splitlines())]
    assert len([line for line in offered if re.match(r"\w+ = ", line)]) >= 11
    assert "[hold]" in "\n".join(offered)
    db = "[services.db]\ncommand = 'x'\n"
    config = read_back("\n".join(offered) + f"\n{db}", root)
    assert config.allowed_hosts == ("app.test",)
    assert config.service("a").watch == ("app/**/*.py",)


def test_the_header_points_to_the_documentation(root: Path) -> None:
    assert "docs/configuration.md" in to_toml(Config(name="shop", root=root), {}).split("\n\n")[0]
