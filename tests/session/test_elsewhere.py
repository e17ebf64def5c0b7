"""Servers elsewhere in a whole session: what their certificates come to, and what is said of their routes."""

import json
from pathlib import Path
from typing import Any

from devproxy.session.session import Session
from tests.support import auntil
from tests.support.in_process import play_session
from tests.support.saves import ask
from tests.support.tls import make_certificates
from tests.support.upstream import OK, RawUpstream, answering

CONFIG = """
[services.staging]
url = "https://localhost:PORT/v2"

[services.site]
static = "site"

[[routes]]
prefix = "/"
to = "site"

[[routes]]
prefix = "/api"
to = "staging"
strip_prefix = true
"""


def configured(root: Path, port: int, keys: str = "") -> None:
    (root / "devproxy.toml").write_text(CONFIG.replace("PORT", str(port)) + keys)


def routed(session: Session, url: str) -> dict[str, Any]:
    return session.view.routes(url, method="GET", accept="*/*")


def test_a_certificate_is_judged_as_the_routes_say_and_by_what_they_say_next(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("hello")
    configured(tmp_path, 1)

    async def scene(session: Session) -> None:
        async with RawUpstream(answering(OK), tls=certificates.server("signed")) as staging:
            configured(tmp_path, staging.port)
            await session.reloading.reload()

            # Nobody has said that it is trusted
            refused = await ask(session.port, "/api/x")
            assert refused.status == 502
            problem = json.loads(refused.body)
            assert problem["title"] == "staging gave no answer"
            assert problem["detail"].startswith(f"The certificate of localhost:{staging.port} was refused: ")
            assert "`tls_verify = false` on its route" in problem["hint"] and "`tls_ca" in problem["hint"]
            await auntil(lambda: routed(session, "/api")["service"]["state"] == "failing")
            [status, _] = session.view.status().services
            assert status.message is not None and "was refused" in status.message

            # Another config counts from the next request on
            configured(tmp_path, staging.port, 'tls_ca = "authority.pem"\n')
            await session.reloading.reload()
            assert (await ask(session.port, "/api/x")).status == 200
            await auntil(lambda: routed(session, "/api")["service"]["state"] == "ready")
            assert routed(session, "/api/x?y")["upstream"]["url"] == f"https://localhost:{staging.port}/v2/x?y"
            site = routed(session, "/index.html")
            assert (site["match"]["to"], site["service"]["state"], site["upstream"]["url"]) == ("site", "ready", None)
            configured(tmp_path, staging.port)
            await session.reloading.reload()
            assert (await ask(session.port, "/api/x")).status == 502

    play_session(tmp_path, scene)
