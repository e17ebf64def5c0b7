"""Who may come in: every kind of route, every claim that a page can make, every method, over real sockets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.gateway.checks import check_origin
from devproxy.hosts import AllowedHosts
from devproxy.proxy.head import parse_request
from tests.gateway.front import Front, front
from tests.support import run
from tests.support.gateway import status_of

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
PATHS = {
    "control": "/__devproxy/health",
    "proxied": "/api/x",
    "site": "/",
    "control socket": "/__devproxy/ws",
    "proxied socket": "/api/ws",
    "site socket": "/ws",
}
STRICT = ("control", "control socket", "proxied socket", "site socket")
LOOSE = ("proxied", "site")

# What a browser sends along; {port} is the gateway's own.
NAVIGATION = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
FOREIGN_LINK = "Sec-Fetch-Site: cross-site\r\n" + NAVIGATION
FOREIGN_FORM = "Origin: https://login.example\r\n" + FOREIGN_LINK
SANDBOXED_FORM = "Origin: null\r\n" + FOREIGN_LINK
FRAMED = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n"
FOREIGN_SUBRESOURCE = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"
NEIGHBOURS_IMAGE = "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n"
NEIGHBOURS_FORM = "Sec-Fetch-Site: same-site\r\n" + NAVIGATION


async def ask(to: Front, kind: str, method: str, host: str, fields: str, target: str = "") -> int:
    """The status that a request of this kind gets. `host`: a value for Host, or whole field lines."""
    port = str(to.gateway.port)
    lines = host if host.endswith("\r\n") or not host else f"Host: {host}\r\n"
    upgrade = kind.endswith("socket")
    lines += fields + (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        if upgrade
        else "Connection: close\r\n"
    )
    target = target.replace("{port}", port) + PATHS[kind]
    reader, writer = await to.gateway.open()
    writer.write(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".replace("{port}", port).encode("latin-1"))
    answer = await reader.readuntil(b"\r\n\r\n")
    if not upgrade:
        answer += await reader.read()
    writer.close()
    await writer.wait_closed()
    return status_of(answer)


def methods_of(kind: str) -> tuple[str, ...]:
    return ("GET",) if kind.endswith("socket") else METHODS


def refused(kind: str, *, host: str = "localhost:{port}", fields: str = "", target: str = "") -> set[int]:
    """The statuses of all methods, after making sure that nobody was reached."""

    async def main() -> set[int]:
        async with front(allowed_hosts=("shop.example", "*.lan.example")) as to:
            # A method cannot be the way around: not those of an upgrade, not one that nobody knows.
            statuses = {await ask(to, kind, method, host, fields, target) for method in (*METHODS, "TRACE", "FOO")}
            assert to.reached == []
            return statuses

    return run(main())


def admitted(kind: str, *, host: str = "localhost:{port}", fields: str = "", target: str = "") -> None:
    """Every method gets its answer from where its path leads."""

    async def main() -> None:
        async with front(allowed_hosts=("shop.example", "*.lan.example")) as to:
            for method in methods_of(kind):
                status = await ask(to, kind, method, host, fields, target)
                assert status == (101 if kind.endswith("socket") else 200), method
            reached = {"control": to.control.requests, "proxied": to.upstream, "site": to.site.requests}
            assert reached[kind.removesuffix(" socket")] == [f"{m} {PATHS[kind]}" for m in methods_of(kind)]
            assert len(to.reached) == len(methods_of(kind))

    run(main())


every_kind = pytest.mark.parametrize("kind", PATHS)


@every_kind
@pytest.mark.parametrize(
    ("host", "target", "status"),
    [
        ("evil.example:{port}", "", 403),
        ("localhost.evil.example:{port}", "", 403),
        ("127.0.0.1.nip.io:{port}", "", 403),
        ("localhost.:{port}", "", 403),  # a trailing dot is another name
        ("127.1:{port}", "", 403),
        ("0.0.0.0:{port}", "", 403),
        ("192.168.1.5:{port}", "", 403),
        ("[::2]:{port}", "", 403),
        ("[::ffff:127.0.0.1]:{port}", "", 403),
        ("lan.example", "", 403),
        ("user@localhost:{port}", "", 400),
        ("localhost:99999", "", 400),
        ("localhost, evil.example", "", 400),
        ("localhost:{port}/", "", 400),
        ("local host", "", 400),
        ("Host:\r\n", "", 400),
        ("", "", 400),  # no Host at all
        ("Host: localhost:{port}\r\nhost: localhost:{port}\r\n", "", 400),
        ("localhost:{port}", "http://evil.example", 403),  # the target's authority replaces Host
        ("localhost:{port}", "http://localhost:{port}@evil.example", 400),
        ("localhost:{port}", "http://evil.example:1", 403),
    ],
)
def test_a_request_for_a_host_that_is_not_ours_reaches_nobody(kind: str, host: str, target: str, status: int) -> None:
    assert refused(kind, host=host, target=target) == {status}


@every_kind
@pytest.mark.parametrize(
    "host",
    ["localhost:{port}", "LocalHost:{port}", "localhost", "127.0.0.1:{port}", "127.0.0.5:{port}", "[::1]:{port}", "app.localhost:{port}",
     "shop.example", "a.b.lan.example:{port}"],
)  # fmt: skip
def test_a_request_for_a_loopback_or_configured_name_is_admitted(kind: str, host: str) -> None:
    admitted(kind, host=host)


@every_kind
def test_the_authority_of_an_absolute_target_counts_and_not_the_host_field(kind: str) -> None:
    admitted(kind, host="evil.example", target="http://localhost:{port}")


@every_kind
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://evil.example:{port}", "http://localhost.evil.example:{port}", "null", "", "http://", "http://user@localhost:{port}",
     "localhost:{port}", "http://localhost:{port}, https://evil.example", "http://localhost.:{port}", "file://", "http://127.1:{port}"],
)  # fmt: skip
def test_a_page_of_somebody_else_reaches_nobody(kind: str, origin: str) -> None:
    assert refused(kind, fields=f"Origin: {origin}\r\n") == {403}


@every_kind
def test_two_origins_are_none_of_ours(kind: str) -> None:
    own = "Origin: http://localhost:{port}\r\n"
    assert refused(kind, fields=own + "Origin: https://evil.example\r\n") == {403}


@every_kind
@pytest.mark.parametrize("dest", ["script", "image", "style", "empty", "object", "embed", "document"])
def test_what_somebody_elses_page_loads_without_cors_reaches_nobody(kind: str, dest: str) -> None:
    assert refused(kind, fields=FOREIGN_SUBRESOURCE + f"Sec-Fetch-Dest: {dest}\r\n") == {403}


@every_kind
def test_a_relation_of_sites_that_is_not_known_is_a_foreign_one(kind: str) -> None:
    assert refused(kind, fields="Sec-Fetch-Site: neighbourly\r\n") == {403}
    assert refused(kind, fields="Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n") == {403}


@pytest.mark.parametrize("kind", STRICT)
@pytest.mark.parametrize(
    "fields",
    ["Origin: http://localhost:1\r\n", "Origin: http://127.0.0.1:5173\r\n", "Origin: http://shop.example:1\r\n", "Origin: tauri://localhost\r\n",
     NEIGHBOURS_IMAGE],
)  # fmt: skip
def test_control_and_sockets_take_no_page_of_another_local_server(kind: str, fields: str) -> None:
    assert refused(kind, fields=fields) == {403}


@pytest.mark.parametrize("kind", LOOSE)
@pytest.mark.parametrize(
    "fields",
    ["Origin: http://localhost:1\r\n", "Origin: http://127.0.0.1:5173\r\n", "Origin: https://shop.example\r\n", "Origin: tauri://localhost\r\n",
     NEIGHBOURS_IMAGE],
)  # fmt: skip
def test_an_application_decides_itself_about_pages_of_another_local_server(kind: str, fields: str) -> None:
    admitted(kind, fields=fields)


@every_kind
@pytest.mark.parametrize(
    "fields",
    ["", "Sec-Fetch-Site: none\r\n", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n", "Origin: http://localhost:{port}\r\n",
     "Origin: https://localhost:{port}\r\n", "Origin: http://127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site\r\n", "Origin: http://app.localhost:{port}\r\n",
     "Origin: http://shop.example:{port}\r\n"],
)  # fmt: skip
def test_the_gateways_own_page_by_any_of_its_names_is_admitted(kind: str, fields: str) -> None:
    admitted(kind, fields=fields)


@pytest.mark.parametrize("kind", LOOSE)
@pytest.mark.parametrize("fields", [FOREIGN_LINK, FOREIGN_FORM, SANDBOXED_FORM, FRAMED])
def test_links_and_sign_in_forms_of_another_site_lead_to_an_application(kind: str, fields: str) -> None:
    admitted(kind, fields=fields)


def test_a_link_of_another_site_leads_to_the_control_api_but_no_form_and_no_frame() -> None:
    async def main() -> None:
        async with front() as to:

            async def status(method: str, fields: str) -> int:
                return await ask(to, "control", method, "localhost:{port}", fields)

            assert await status("GET", FOREIGN_LINK) == 200
            assert await status("HEAD", FOREIGN_LINK) == 200
            assert len(to.reached) == 2
            assert await status("GET", FRAMED) == 403
            for fields in (FOREIGN_LINK, FOREIGN_FORM, SANDBOXED_FORM, NEIGHBOURS_FORM):
                for method in ("POST", "PUT", "DELETE", "PATCH"):
                    assert await status(method, fields) == 403
            assert len(to.reached) == 2

    run(main())


@pytest.mark.parametrize("kind", [kind for kind in PATHS if kind.endswith("socket")])
@pytest.mark.parametrize("fields", [FOREIGN_LINK, FOREIGN_FORM, NEIGHBOURS_FORM])
def test_an_upgrade_is_no_navigation_whatever_it_says(kind: str, fields: str) -> None:
    assert refused(kind, fields=fields) == {403}


def test_the_checks_come_in_their_order_parse_host_origin_route() -> None:
    async def main() -> None:
        async with front() as to:

            async def titled(head: str) -> bytes:
                return await to.gateway.talk(f"{head}Connection: close\r\n\r\n".encode())

            evil, foreign = "Host: evil.example\r\n", "Origin: https://page.example\r\n"
            assert b"malformed" in await titled("GET /#x HTTP/1.1\r\n" + evil + foreign)
            assert b"is not served here" in await titled("GET /__devproxy/x HTTP/1.1\r\n" + evil + foreign)
            local = "Host: localhost\r\n"
            assert b"A page of https://page.example" in await titled("OPTIONS * HTTP/1.1\r\n" + local + foreign)
            assert to.reached == []
            assert status_of(await titled("OPTIONS * HTTP/1.1\r\n" + local)) == 200
            assert to.reached == ["OPTIONS *"]

    run(main())


def test_only_the_control_apis_own_path_is_the_control_api() -> None:
    async def main() -> None:
        async with front() as to:
            for target in (
                "/__devproxy",
                "/__devproxy?a",
                "/__devproxy/",
                "/__devproxy/../api",
                "/__devproxy/%2e%2e/api",
            ):
                await to.gateway.talk(to.gateway.request(target))
            assert len(to.control.requests) == 5
            for target in ("/__devproxyx", "/__DEVPROXY/", "//__devproxy/", "/%5f_devproxy/", "/x/__devproxy/"):
                await to.gateway.talk(to.gateway.request(target))
            assert len(to.control.requests) == 5 and len(to.site.requests) == 5

    run(main())


@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])), st.booleans())
def test_no_origin_is_admitted_by_control_or_sockets_but_the_gateways(origin: str, upgrade: bool) -> None:
    head = f"GET / HTTP/1.1\r\nHost: localhost:4400\r\nOrigin: {origin}\r\n"
    head += "Connection: upgrade\r\nUpgrade: websocket\r\n" if upgrade else ""
    request = parse_request(f"{head}\r\n".encode("latin-1"))
    assert check_origin(request, ours=not upgrade, scheme=b"http", allowed=AllowedHosts()) is not None


FETCHES = st.tuples(
    st.sampled_from(["", "null", "http://localhost:4400", "http://localhost:1", "https://evil.example"]),
    st.sampled_from(["", "none", "same-origin", "same-site", "cross-site"]),
    st.sampled_from(["", "navigate", "no-cors", "cors", "websocket"]),
    st.sampled_from(["", "document", "iframe", "script", "empty"]),
    st.sampled_from(["GET", "POST"]),
    st.booleans(),
)


@given(FETCHES)
def test_whoever_may_use_the_control_api_may_use_the_application(fetch: tuple[str, str, str, str, str, bool]) -> None:
    origin, site, mode, dest, method, upgrade = fetch
    fields = {"Origin": origin, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    lines += "Connection: upgrade\r\nUpgrade: websocket\r\n" if upgrade else ""
    request = parse_request(f"{method} / HTTP/1.1\r\nHost: localhost:4400\r\n{lines}\r\n".encode())
    strict = check_origin(request, ours=True, scheme=b"http", allowed=AllowedHosts())
    loose = check_origin(request, ours=False, scheme=b"http", allowed=AllowedHosts())
    assert strict is not None or loose is None
    if upgrade or method == "POST":  # what changes something, or reads without end
        foreign = origin not in ("", "http://localhost:4400") or (not origin and site in ("cross-site", "same-site"))
        assert (strict is not None) == foreign
