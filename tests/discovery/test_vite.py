import pytest

from devproxy.discovery.node import read_package
from devproxy.discovery.tree import walk
from devproxy.discovery.vite import ALTERNATION, dev_script, read_proxies, rules_of, strips


def package(**scripts):
    return {"scripts": scripts, "devDependencies": {"vite": "^7"}}


def only(plan):
    [service] = plan.services
    return service


def test_a_vite_project_is_a_frontend_on_its_usual_port(plan, vite):
    service = only(plan({"package.json": vite}))
    assert (service.name, service.kind, service.dir, service.framework) == (
        "frontend",
        "frontend",
        ".",
        "vite",
    )
    assert service.command == "npm run dev -- --port $PORT --strictPort"
    assert (service.port, service.assigned) == (5173, True)
    assert "vite: devDependencies in package.json" in service.reasons


@pytest.mark.parametrize("script", ["vite", "vite dev", "vite --host", "cross-env A=b vite", "tsc -b && vite"])
def test_the_port_is_passed_to_a_script_that_ends_with_vite(plan, script):
    service = only(plan({"package.json": package(dev=script)}))
    assert service.command.endswith("-- --port $PORT --strictPort")


def test_a_script_in_which_something_follows_vite_runs_as_it_is(plan):
    service = only(plan({"package.json": package(dev="vite & tailwindcss --watch")}))
    assert (service.command, service.assigned) == ("npm run dev", False)


@pytest.mark.parametrize(
    ("scripts", "name"),
    [
        ({"start": "vite"}, "start"),
        ({"build": "vite build", "preview": "vite preview", "web": "vite"}, "web"),
        ({"dev": 'concurrently "vite" "node server.js"', "dev:client": "vite"}, "dev:client"),
        ({"build": "vite build"}, None),
        ({"test": "vitest"}, None),
    ],
)
def test_the_script_that_starts_vite_alone_is_found(project, scripts, name):
    tree = walk(project({"package.json": package(**scripts)}))
    assert dev_script(read_package(tree, ".")) == name


def test_a_page_without_a_script_runs_vite_directly(plan):
    service = only(plan({"package.json": package(), "index.html": "", "pnpm-lock.yaml": ""}))
    assert service.command == "pnpm exec vite --port $PORT --strictPort"


def test_a_library_that_only_builds_with_vite_is_no_service(plan, vite):
    files = {"web/package.json": vite, "lib/package.json": package(build="vite build", test="vitest")}
    assert [service.dir for service in plan(files).services] == ["web"]


@pytest.mark.parametrize(
    ("files", "port", "reason"),
    [
        ({"package.json": package(dev="vite --port 3001")}, 3001, "port 3001: script 'dev' in package.json"),
        (
            {
                "package.json": package(dev="vite"),
                "vite.config.ts": "x({ server: { host: true, port: 3002 } })",
            },
            3002,
            "port 3002: server.port in vite.config.ts",
        ),
        (
            {"package.json": package(dev="vite"), "vite.config.js": "x({ preview: { port: 4173 } })"},
            5173,
            "port 5173: Vite's default",
        ),
    ],
)
def test_the_port_is_the_projects_own(plan, files, port, reason):
    service = only(plan(files))
    assert service.port == port
    assert reason in service.reasons


def proxies(block):
    return read_proxies(f"export default {{ server: {{ proxy: {block} }} }}", "vite.config.ts")


def test_a_proxy_table_names_prefixes_and_targets():
    rules, notes = proxies(
        """{ '/api': 'http://localhost:8000', '/ws/': { target: "ws://localhost:8000", ws: true } }"""
    )
    assert [(rule.prefix, rule.target) for rule in rules] == [
        ("/api", "http://localhost:8000"),
        ("/ws", "ws://localhost:8000"),
    ]
    assert notes == ()


def test_a_rewrite_that_removes_the_prefix_strips_it():
    rules, _ = proxies(r"{ '/api': { target: 'http://localhost:1', rewrite: (p) => p.replace(/^\/api/, '') } }")
    assert rules[0].strip


def test_any_other_rewrite_is_left_to_vite_and_told():
    rules, notes = proxies(r"{ '/api': { target: 'http://localhost:1', rewrite: (p) => p.replace(/^\/api/, '/v2') } }")
    assert rules == ()
    assert "left to Vite" in notes[0]


@pytest.mark.parametrize("key", ["^/(a|b)", "^/(?:a|b)/.*", "^/(a|b)(/|$)", "^/(a|b)/"])
def test_an_alternation_of_names_becomes_prefixes(key):
    assert [rule.prefix for rule in rules_of(key, "'http://localhost:1'", "f")] == ["/a", "/b"]


def test_another_regular_expression_stays_one():
    [rule] = rules_of("^/v\\d+/api", "'http://localhost:1'", "f")
    assert (rule.prefix, rule.regex) == (None, "^/v\\d+/api")


def test_an_invalid_regular_expression_is_left_out():
    assert rules_of("^/(", "'http://localhost:1'", "f") == []


@pytest.mark.parametrize(
    ("key", "prefix"), [("/api/", "/api"), ("/api*", "/api"), ("/api/**", "/api"), ("^/api", "/api")]
)
def test_globs_and_slashes_at_the_end_of_a_key_do_not_matter(key, prefix):
    assert rules_of(key, "'http://localhost:1'", "f")[0].prefix == prefix


def test_a_computed_proxy_table_is_told():
    rules, notes = proxies("makeProxy()")
    assert rules == ()
    assert "computed" in notes[0]


def test_a_fixed_live_reload_socket_is_told(plan, vite):
    found = plan({"package.json": vite, "vite.config.ts": "x({ server: { hmr: { clientPort: 5173 } } })"})
    assert any("live reload goes around the gateway" in note for note in found.notes)


def test_commented_out_settings_do_not_count(plan, vite):
    found = plan({"package.json": vite, "vite.config.ts": "x({ server: {\n // port: 3002,\n } })"})
    assert only(found).port == 5173


def test_a_rewrite_of_another_prefix_does_not_strip():
    assert not strips("/api", r"{ rewrite: p => p.replace(/^\/v1/, '') }")


def test_alternations_of_patterns_are_not_names():
    assert ALTERNATION.match("^/(a.*|b+)") is None
