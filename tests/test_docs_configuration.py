"""docs/configuration.md: every key of the model with its true default, and examples that load."""

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from devproxy.config.dump import toml_value
from devproxy.config.load import load
from devproxy.config.model import (
    Bus,
    Capture,
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

TEXT = (Path(__file__).parent.parent / "docs/configuration.md").read_text(encoding="utf-8")

SECTIONS: dict[str, type] = {
    "Top level": Config,
    "`[services.NAME]`": Service,
    "`ready`": Ready,
    "`stop`": Stop,
    "`reload`": ReloadSignal,
    "`probe`": Probe,
    "`max_requests`": MaxRequests,
    "`[[routes]]`": Route,
    "`request_headers` and `response_headers`": FieldEdits,
    "`[hold]`": Hold,
    "`[reload]`": Reload,
    "`[logs]`": Logs,
    "`[capture]`": Capture,
    "`[bus]`": Bus,
}
NO_KEYS = {
    Config: {"root", "source", "services", "routes", "hold", "reload", "logs", "capture", "bus"},
    Service: {"name", "instance_of"},
}
# Defaults that follow from other things than the model.
DERIVED = {
    (Config, "name"): "the folder's name",
    (Service, "kind"): "from what it is",
    (Service, "dir"): '`"."`',
    (Service, "venv"): "the nearest `.venv` or `venv`",
    (Route, "to"): "required",
    (ReloadSignal, "signal"): "required",
}


def documented(heading: str) -> dict[str, str]:
    """The keys of a section's table, each with its default as the page has it."""
    section = re.split(r"^#{2,3} ", TEXT.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [re.split(r" \| ", line.strip("| ")) for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[2] for row in rows}


def expected(model: type) -> dict[str, str]:
    keys = [field for field in fields(model) if field.name not in NO_KEYS.get(model, ())]
    return {field.name: DERIVED.get((model, field.name)) or rendered(field) for field in keys}


def rendered(field: Any) -> str:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    if default is None:
        return "not set"
    if isinstance(default, Ready | Stop | FieldEdits):
        return "`{}`"
    return f"`{toml_value(default)}`"


@pytest.mark.parametrize(("heading", "model"), SECTIONS.items())
def test_every_key_is_documented_with_its_default(heading: str, model: type) -> None:
    assert documented(heading) == expected(model)


def test_every_table_of_the_config_has_a_section() -> None:
    held = {type(field.default) for model in (Config, Service, Route) for field in fields(model)}
    tables = {kind for kind in held if kind.__module__ == Config.__module__}
    assert tables | {Config, Service, Route, ReloadSignal, Probe, MaxRequests} == set(SECTIONS.values())


def test_what_is_not_yet_supported_is_marked_and_nothing_else_is() -> None:
    marked = {
        key
        for line in TEXT.splitlines()
        if line.startswith("| `") and "*not yet.*" in line.lower()
        for key in [line.split("`")[1]]
    }
    source = "".join(file.read_text() for file in Path(load.__code__.co_filename).parent.glob("*.py"))
    refused = set(re.findall(r'not_yet\(\s*(?:table, )?"(\w+)"', source)) - {"url"}
    assert marked == refused | {"url"}


EXAMPLES = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_load(tmp_path: Path, example: str) -> None:
    for folder in ("frontend", "backend"):
        (tmp_path / folder).mkdir()
    file = "pyproject.toml" if "[tool.devproxy]" in example else "devproxy.toml"
    (tmp_path / file).write_text(example, encoding="utf-8")
    config = load(tmp_path)
    assert config is not None
    assert config != Config(name=config.name, root=tmp_path, source=config.source)


def test_the_first_example_has_the_routes_that_the_page_says(tmp_path: Path) -> None:
    for folder in ("frontend", "backend"):
        (tmp_path / folder).mkdir()
    (tmp_path / "devproxy.toml").write_text(EXAMPLES[0], encoding="utf-8")
    config = load(tmp_path)
    assert config is not None
    assert {route.prefix: route.to for route in config.routes} == {"/": ("web",), "/api": ("api",)}
