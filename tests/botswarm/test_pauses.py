"""How long a bot waits for its next frame."""

from __future__ import annotations

from pathlib import Path

from botswarm.pauses import PAUSES_MAX, Header, Pause, Pauses, read, write
from tests.botswarm.test_client import once


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    path, header = tmp_path / "pauses", Header(over_ms=200, bots=3, uncounted=1)
    write(path, header, [Pause(2, 2000.0, 250.0), Pause(1, 1000.5, 300.0)])
    assert read(path) == (header, [Pause(1, 1000.5, 300.0), Pause(2, 2000.0, 250.0)])


def test_more_than_are_kept_are_counted() -> None:
    pauses = Pauses(over_s=0.1, offset_s=5.0)
    for _ in range(PAUSES_MAX + 3):
        pauses.note(1, ended=1.0, length_s=0.25)
    assert (len(pauses.found), pauses.uncounted) == (PAUSES_MAX, 3)
    assert pauses.found[0] == Pause(1, 6000.0, 250.0)


async def test_a_pause_lasts_over_a_lost_connection(run) -> None:
    async def drop(peer) -> bool:
        peer.ws.transport.abort()
        return True

    run.server.fault = once(drop)
    # The first attempt to come back is made after 125 ms at least.
    outcome = await run.until(lambda stats: stats.resumes and stats.events > 5, pause_s=0.1)
    lost = [pause for pause in outcome.pauses if pause.length_ms > 125]
    assert lost and {pause.bot for pause in lost} == {0}
    assert outcome.pauses_uncounted == 0


async def test_between_two_matches_there_is_none_and_unasked_for_nothing_is_kept(run) -> None:
    run.server.match_ticks = 15
    outcome = await run.until(lambda stats: stats.matches_left >= 3, bots=1)
    assert outcome.pauses == []
