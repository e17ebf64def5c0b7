"""The Autobahn cases that take no time; scripts/autobahn runs all of them."""

from tests.support import run
from tests.support.autobahn import QUICK, differences, echo
from tests.support.gateway import ready, running_gateway


def test_every_quick_case_ends_through_the_gateway_as_it_does_without() -> None:
    async def main() -> None:
        async with echo() as port, running_gateway({"api": ready("api", ("127.0.0.1", port))}) as front:
            direct, differing = await differences(port, front.port, QUICK)
            assert len(direct) == 247 and sum(verdict.passed for verdict in direct.values()) > 200
            assert differing == []

    run(main())
