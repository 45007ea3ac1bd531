"""Revocations on several nodes: made on one, known to all, as long as a token could show up."""

from __future__ import annotations

import asyncio

import pytest

from gameserver.cluster.revocations import SESSION_KEPT_MS, GuardedVerifier, RevocationWatch
from gameserver.errors import StoreUnavailable, TokenRefused
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.ports import Identity
from gameserver.revocation import Revocation
from tests.fakes.clock import EPOCH_MS, LoopClock, SeededEntropy
from tests.fakes.memory_revocations import MemoryRevocationLog
from tests.match.house import in_virtual_time

DAYS_30_MS = 30 * 86_400_000


def identity(player: str = "ann", jti: str | None = "s-1", auth_ms: int = EPOCH_MS - 1) -> Identity:
    return Identity(
        player_id=PlayerId(player),
        name=player,
        groups=(),
        expires_ms=EPOCH_MS + 1,
        token_use="access",
        origin_jti=jti,
        auth_ms=auth_ms,
    )


def watch(log: MemoryRevocationLog, *, player_kept_ms: int = DAYS_30_MS) -> RevocationWatch:
    return RevocationWatch(
        log,
        player_kept_ms=player_kept_ms,
        clock=LoopClock(asyncio.get_running_loop().time),
        entropy=SeededEntropy(1),
        metrics=Metrics(),
    )


def refuses(watch: RevocationWatch, one: Identity) -> bool:
    try:
        watch.check(one)
    except TokenRefused as refused:
        assert (refused.code, refused.status) == ("revoked", 401)
        return True
    return False


@in_virtual_time
async def test_a_session_is_over_on_all_nodes_and_no_other_is() -> None:
    log = MemoryRevocationLog()
    here, there = watch(log), watch(log)
    told: list[Revocation] = []
    there.listen(told.append)
    await here.start()
    await there.start()
    await here.end_session(identity(), reason="signed out")
    assert refuses(here, identity())
    await asyncio.sleep(0.01)
    assert refuses(there, identity())
    for other in (identity(jti="s-2"), identity("ben"), identity(jti=None)):
        assert not refuses(there, other)
    assert [each.origin_jti for each in told] == ["s-1"]
    late = watch(log)
    await late.start()
    assert refuses(late, identity()), "a node that starts later knows too"
    for each in (here, there, late):
        await each.stop()


@in_virtual_time
async def test_all_sessions_are_over_that_had_begun() -> None:
    node = watch(MemoryRevocationLog())
    await node.end_all(PlayerId("ann"), reason="ended")
    now_ms = LoopClock(asyncio.get_running_loop().time).wall_ms()
    for jti in ("s-1", "s-2", None):
        assert refuses(node, identity(jti=jti, auth_ms=now_ms))
        assert not refuses(node, identity(jti=jti, auth_ms=now_ms + 1)), "a new log-in"
    assert not refuses(node, identity("ben"))


@in_virtual_time
async def test_a_token_that_names_no_session_ends_all_of_its_players() -> None:
    node = watch(MemoryRevocationLog())
    await node.end_session(identity(jti=None), reason="signed out")
    assert refuses(node, identity())


@in_virtual_time
async def test_an_older_word_does_not_replace_a_newer_one() -> None:
    log = MemoryRevocationLog()
    node = watch(log)
    for at_ms in (EPOCH_MS + 5_000, EPOCH_MS + 1_000):
        await log.add(Revocation(PlayerId("ann"), "", at_ms, "ended"))
    await node.start()
    assert refuses(node, identity(auth_ms=EPOCH_MS + 4_000))
    await node.stop()


@in_virtual_time
async def test_what_no_token_can_show_any_more_is_forgotten() -> None:
    node = watch(MemoryRevocationLog(), player_kept_ms=2 * SESSION_KEPT_MS)
    await node.end_session(identity(), reason="signed out")
    await node.end_all(PlayerId("ben"), reason="ended")
    await asyncio.sleep(SESSION_KEPT_MS / 1000 + 1)
    await node.end_session(identity("eve", "s-9"), reason="signed out")
    assert not refuses(node, identity())
    assert refuses(node, identity("ben"))
    await asyncio.sleep(SESSION_KEPT_MS / 1000 + 1)
    await node.end_all(PlayerId("eve"), reason="ended")
    assert not refuses(node, identity("ben"))


@in_virtual_time
async def test_while_the_log_is_away_what_is_known_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = MemoryRevocationLog()
    here, there = watch(log), watch(log)
    await there.start()
    await here.end_session(identity(), reason="signed out")
    await asyncio.sleep(0.01)
    log.failure = StoreUnavailable("down")
    with pytest.raises(StoreUnavailable):
        await here.end_session(identity("ben", "s-2"), reason="signed out")
    assert not refuses(here, identity("ben", "s-2")), "what is not written down is not so"
    await asyncio.sleep(5)
    assert refuses(there, identity())
    assert caplog.messages.count("revocations not known") == 1
    log.failure = None
    await here.end_session(identity("ben", "s-2"), reason="signed out")
    await asyncio.sleep(1)
    assert refuses(there, identity("ben", "s-2"))
    await there.stop()


@in_virtual_time
async def test_a_node_does_not_start_without_them() -> None:
    log = MemoryRevocationLog()
    log.failure = StoreUnavailable("down")
    with pytest.raises(StoreUnavailable):
        await watch(log).start()


@in_virtual_time
async def test_a_verifier_refuses_them() -> None:
    class Good:
        async def verify(self, token: str) -> Identity:
            return identity()

    node = watch(MemoryRevocationLog())
    guarded = GuardedVerifier(Good(), node)
    assert await guarded.verify("t") == identity()
    await node.end_session(identity(), reason="signed out")
    with pytest.raises(TokenRefused):
        await guarded.verify("t")
