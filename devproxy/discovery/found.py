"""What a reader recognised, before it is joined with the rest into a plan. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from devproxy.config.model import Kind


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that must be there before the plan can run, and the one command that mends it."""

    what: str
    command: str


@dataclass(frozen=True, slots=True)
class ProxyRule:
    """One entry of a dev server's own proxy table. One of prefix and regex is set."""

    target: str  # URL, as it stands in the file
    source: str  # the file
    prefix: str | None = None
    regex: str | None = None
    strip: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """What a backend's own source says it answers: whole paths, as declared."""

    paths: tuple[str, ...] = ()
    websockets: tuple[str, ...] = ()
    files: tuple[str, ...] = ()  # mounted folders
    source: str = ""  # the file where the reading began

    @property
    def root(self) -> bool:
        """Does it answer `/` itself (a page, or files)?"""
        return "/" in self.paths or "/" in self.files


@dataclass(frozen=True, slots=True)
class ApiVariable:
    """A build-time variable that holds the API's URL. `url` is its default, None if it has none."""

    name: str
    source: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Calls:
    """How a frontend's source finds its API."""

    variables: tuple[ApiVariable, ...] = ()
    literals: tuple[tuple[str, str], ...] = ()  # (URL, file) that no variable can change
    relative_api: bool = False  # some path starts with /api


@dataclass(frozen=True, slots=True)
class Found:
    """One service as its reader sees it. Exactly one of command and static is set; paths are relative."""

    kind: Kind
    dir: str
    framework: str
    command: str | None = None
    static: str | None = None  # folder of files, relative to `dir`
    name: str | None = None  # what its manifest calls it (Procfile lines)
    port: int | None = None
    port_is_usual: bool = False  # nothing in the project names it: the framework's default
    assigned: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    venv: str | None = None
    reasons: tuple[str, ...] = ()
    proxies: tuple[ProxyRule, ...] = ()
    answers: Answers = Answers()
    calls: Calls = Calls()
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()
