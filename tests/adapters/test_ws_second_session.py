"""What clients call themselves, and how they are told that their player is connected already."""

from __future__ import annotations

import pytest

from gameserver.wire.close_codes import CloseCode
from tests.adapters.ws_peer import ORIGIN, http_request


async def test_a_client_says_what_it_is_called(serve) -> None:
    harness = await serve()
    await harness.upgraded(path="/v1/play?client=tab-1_x")
    await harness.upgraded(path="/v1/play?ticket=t2&client=y", token=None)
    await harness.upgraded()
    assert [each.client for each in harness.gate.asked] == ["tab-1_x", "y", ""]


async def test_a_page_is_told_by_a_close_that_its_player_is_connected(serve) -> None:
    harness = await serve(origins=(ORIGIN,))
    peer = await harness.upgraded(token="twice", Origin=ORIGIN)
    closed = await peer.close_code()
    assert closed.code == CloseCode.ALREADY_CONNECTED
    assert "close that connection first" in closed.reason
    assert harness.gate.sessions == []
    assert (harness.metrics.handshakes_accepted, harness.metrics.handshakes_refused) == (0, 1)


@pytest.mark.parametrize(
    "query", ["client=a&client=b", "client=", "client=" + "x" * 65, "client=a b"]
)
async def test_what_is_no_name(serve, query: str) -> None:
    harness = await serve()
    answer = await harness.ask(http_request("/v1/play?" + query.replace(" ", "%20")))
    assert answer.status == 400
    assert b"bad_client" in answer.body
