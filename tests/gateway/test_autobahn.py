"""The Autobahn cases that take no time; scripts/autobahn runs all of them."""

import pytest

from tests.support import free_port, run
from tests.support.autobahn import QUICK, differences, echo_server, to_client, to_server
from tests.support.gateway import ready, running_gateway


@pytest.mark.timeout(200)  # 6 s on two busy cores
@pytest.mark.parametrize("against", ["server", "client"])
def test_every_quick_case_ends_through_the_gateway_as_it_does_without(against: str) -> None:
    async def main() -> None:
        async with echo_server() as server:
            port = server if against == "server" else free_port()
            async with running_gateway({"api": ready("api", ("127.0.0.1", port))}) as front:
                if against == "server":
                    ways = to_server(port), to_server(front.port)
                else:
                    ways = to_client(port, port), to_client(port, front.port)
                direct, differing = await differences(*ways, QUICK)
                assert len(direct) == 247 and sum(verdict.passed for verdict in direct.values()) > 200
                assert differing == []

    run(main(), within=180)
