"""Several upstreams in a whole session: who answers, what is shown of them, and what another config changes."""

import asyncio
from pathlib import Path

from devproxy.cli.status import table
from devproxy.cli.why import story
from devproxy.control.models import BalancedStatus, ServiceStatus
from devproxy.session.session import Session
from tests.support import auntil, free_port
from tests.support.in_process import play_session
from tests.support.saves import Answer, ask
from tests.support.services import write_config
from tests.support.upstream import OK, Conversation, RawUpstream, answering

# Two instances, which answer 501 to HEAD; one that is not ours; a route to both and to one that is not there.
CONFIG = """
[services.api]
kind = "backend"
command = "exec {python} server.py $DEVPROXY_SERVICE"
port = "auto"
instances = 2
balance = "BALANCE"
probe = { path = "/health", interval_seconds = 0.1, timeout_seconds = 20 }

[services.mail]
url = "http://127.0.0.1:MAIL"

[[routes]]
prefix = "/"
to = "api"

[[routes]]
prefix = "/all"
to = ["api", "http://127.0.0.1:NOBODY"]

[[routes]]
prefix = "/mail"
to = "mail"
max_requests = { in_flight = 1 }
"""


def configured(root: Path, mail: int, nobody: int, balance: str = "sticky") -> None:
    text = CONFIG.replace("MAIL", str(mail)).replace("NOBODY", str(nobody)).replace("BALANCE", balance)
    write_config(root, text)


def group(session: Session, name: str) -> BalancedStatus:
    return next(one for one in session.view.status().balanced if one.name.startswith(name))


def service(session: Session, name: str) -> ServiceStatus:
    return next(one for one in session.view.status().services if one.name == name)


async def whole(answer: asyncio.Task[Answer]) -> tuple[int, bytes]:
    found = await answer
    return found.status, found.body


def test_requests_are_shared_out_and_what_becomes_of_them_is_shown(tmp_path: Path) -> None:
    nobody = free_port()

    async def scene(session: Session) -> None:
        may_answer = asyncio.Event()

        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            await may_answer.wait()
            await conversation.send(OK)

        async with RawUpstream(handler) as mail:
            configured(tmp_path, mail.port, nobody)
            await session.reloading.reload()
            await auntil(lambda: all(one.healthy for one in group(session, "api").upstreams))

            # Whose turn it is; who is not there is found out at once, and gets nothing
            answers = [await ask(session.port, "/x") for _ in range(4)]
            assert [one.body for one in answers] == [b"api.1 /x", b"api.2 /x"] * 2
            both = group(session, "api, http")
            assert [one.name for one in both.upstreams] == ["api.1", "api.2", f"http://127.0.0.1:{nobody}"]
            await auntil(lambda: group(session, "api, http").upstreams[2].healthy is False)
            answers = [await ask(session.port, "/all") for _ in range(4)]
            assert {one.body for one in answers} == {b"api.1 /all", b"api.2 /all"}
            assert group(session, "api, http").upstreams[2].requests == 0

            # What is shown of an upstream
            one = group(session, "api").upstreams[0]
            assert (one.state, one.requests, one.in_flight, one.failures) == ("ready", 4, 0, 0)
            assert one.probe == "HEAD /health every 0.1 s"
            assert one.answer == "HEAD /health answered 501"
            assert one.latency_ms is not None
            lines = "\n".join(table(session.view.status().to_json(), colored=False))
            assert "requests for api: sticky" in lines
            assert "● api.1  HEAD /health answered 501 in " in lines
            assert f"● http://127.0.0.1:{nobody}  no connection: it refuses them; 0 requests, 0 in flight" in lines
            explained = "\n".join(story((await session.view.explain("api.2")).to_json(), columns=None, colored=False))
            assert "upstream    HEAD /health answered 501 in " in explained
            assert "asked for HEAD /health every 0.1 s" in explained

            # No more than it may get
            first = asyncio.create_task(ask(session.port, "/mail"))
            await auntil(lambda: group(session, "mail").upstreams[0].in_flight == 1)
            refused = await ask(session.port, "/mail")
            assert refused.status == 503
            assert b'"title": "mail takes no more requests for now"' in refused.body
            assert group(session, "mail").refused == 1
            assert "requests for mail: round-robin, 1 refused" in "\n".join(
                table(session.view.status().to_json(), colored=False)
            )
            may_answer.set()
            assert (await first).status == 200

    configured(tmp_path, free_port(), nobody)
    play_session(tmp_path, scene)


def test_when_none_of_a_list_runs_the_answer_says_why(tmp_path: Path) -> None:
    text = CONFIG.replace(', "http://127.0.0.1:NOBODY"]', ', "other"]\nbalance = "least-latency"')
    other = (
        '[services.other]\nkind = "backend"\ncommand = "echo no such table; exit 3"\nport = "auto"\nrestart = "never"\n'
    )
    api = text.replace("exec {python} server.py $DEVPROXY_SERVICE", 'exit 3"\nrestart = "never')
    write_config(tmp_path, other + api.replace("MAIL", str(free_port())).replace("BALANCE", "round-robin"))

    async def scene(session: Session) -> None:
        await auntil(lambda: group(session, "api, other").state == "crashed")
        answer = await ask(session.port, "/all")
        assert answer.status == 502
        assert b"has crashed" in answer.body
        assert b"exited with code 3" in answer.body
        assert group(session, "api, other").upstreams[2].probe == "HEAD / every 2 s"

    play_session(tmp_path, scene)


def test_a_url_is_shown_as_it_is_and_the_log_says_when_that_changes(tmp_path: Path) -> None:
    port = free_port()
    limited = (
        f'to = ["mail", "http://127.0.0.1:{free_port()}"]\nprobe = {{ path = "/health", interval_seconds = 0.1 }}\n'
    )
    routes = f'[[routes]]\nprefix = "/"\nto = "mail"\n[[routes]]\nprefix = "/both"\n{limited}'
    write_config(tmp_path, f'[services.mail]\nurl = "http://127.0.0.1:{port}"\n{routes}')

    async def scene(session: Session) -> None:
        await auntil(lambda: service(session, "mail").state == "failing")
        assert service(session, "mail").message == "HEAD /health got no connection: it refuses them"
        explained = "\n".join(story((await session.view.explain("mail")).to_json(), columns=None, colored=False))
        assert "upstream    HEAD /health got no connection: it refuses them; " in explained
        assert "devproxy does not start it: see that it runs, and at http://127.0.0.1:" in explained
        assert not service(session, "mail").required
        assert session.view.status().ready  # the session does not wait for what is not its own
        async with RawUpstream(answering(OK), port=port):
            await auntil(lambda: service(session, "mail").state == "ready")
        said = [record.text for record in session.log.last_lines("devproxy", 50)]
        assert [line for line in said if line.startswith("mail is ")] == [
            "mail is not well: HEAD /health got no connection: it refuses them",
            "mail is well again: HEAD /health answered 200",
        ]

    play_session(tmp_path, scene)


def test_another_balance_or_limit_restarts_nothing(tmp_path: Path) -> None:
    ports = free_port(), free_port()

    async def scene(session: Session) -> None:
        await auntil(lambda: all(one.state == "ready" for one in group(session, "api").upstreams))
        before = [service(session, name).pid for name in ("api.1", "api.2")]
        assert (await ask(session.port, "/all")).status == 200
        configured(tmp_path, *ports, balance="round-robin")
        changes = await session.reloading.reload()
        assert (changes.restarts, changes.swaps) == ((), ("api.1", "api.2"))
        assert group(session, "api").balance == "round-robin"
        assert [service(session, name).pid for name in ("api.1", "api.2")] == before
        assert {(await ask(session.port, "/x")).body for _ in range(2)} == {b"api.1 /x", b"api.2 /x"}
        assert sum(one.requests or 0 for one in group(session, "api, http").upstreams) == 3  # they are those before

    configured(tmp_path, *ports)
    play_session(tmp_path, scene)
