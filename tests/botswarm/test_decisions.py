"""The pure decisions: what to do after a failure, what the server promised, what to send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botswarm.brain import load_brains
from botswarm.verify import Track, check_joined
from gameclient.recovery import CAP_S, Next, after_close, after_refusal, backoff_s, wish_s
from gameserver.errors import ConfigError
from gameserver.game.loader import load_game
from gameserver.wire import to_client
from gameserver.wire.codec import Format, decoder_for
from gameserver.wire.to_client import ErrorCode, Seat


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, None, Next.GIVE_UP),
        (403, None, Next.GIVE_UP),
        (429, None, Next.RESUME),
        (503, None, Next.RESUME),
        (None, None, Next.RESUME),
        (None, 1006, Next.RESUME),
        (None, 1012, Next.RESUME),
        (None, 4004, Next.RESUME),
        (None, 1000, Next.GIVE_UP),
        (None, 4001, Next.GIVE_UP),
        (None, 4002, Next.GIVE_UP),
        (None, 4003, Next.GIVE_UP),
    ],
)
def test_after_a_close(status, code, expected):
    assert after_close(status=status, code=code) is expected


def test_after_a_refusal():
    assert after_refusal(ErrorCode.REFUSED, fixed_match=False) is Next.GIVE_UP
    assert after_refusal(ErrorCode.UNKNOWN_MATCH, fixed_match=True) is Next.GIVE_UP
    assert after_refusal(ErrorCode.UNKNOWN_MATCH, fixed_match=False) is Next.START_OVER
    assert after_refusal(ErrorCode.DRAINING, fixed_match=False) is Next.RECONNECT
    assert after_refusal(ErrorCode.UNAVAILABLE, fixed_match=False) is Next.RESUME


@pytest.mark.parametrize("fixed_match", [False, True])
def test_after_a_refusal_for_maintenance_the_join_is_tried_again_much_later(fixed_match):
    assert after_refusal(ErrorCode.MAINTENANCE, fixed_match=fixed_match) is Next.RESUME
    assert backoff_s(1, jitter=0, at_least_s=wish_s(ErrorCode.MAINTENANCE)) == 10
    assert wish_s(ErrorCode.UNAVAILABLE) == 0


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0, 60))
def test_backoff_is_bounded_and_keeps_the_servers_wish(attempt, jitter, wish):
    pause = backoff_s(attempt, jitter=jitter, at_least_s=wish)
    assert wish <= pause <= max(CAP_S, wish * 1.25)
    assert pause >= 0.125


def joined(**changes) -> to_client.Joined:
    fields = {
        "ref": 1, "match": "m1", "game": "echo", "mode": "standard", "epoch": 3, "tick": 10,
        "tick_rate": 20, "seat": 1, "input_seq": 5, "seq": 7, "resumed": False,
        "seats": [Seat(0, "a", "a", True), Seat(1, "b", "b", True)],
    }  # fmt: skip
    return to_client.Joined(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "resume", "expected"),
    [
        ({}, None, None),
        ({"game": "arena"}, None, "protocol:joined_other_game"),
        ({"mode": "pair"}, None, "protocol:joined_other_game"),
        ({"seat": 0}, None, "protocol:joined_seat"),
        ({"seat": 7}, None, "protocol:joined_seat"),
        ({"resumed": True}, None, "protocol:resumed_unasked"),
        ({"resumed": True}, ("m1", 3, 7), None),
        ({"resumed": False}, ("m1", 2, 5), None),
        ({"resumed": True}, ("m1", 3, 6), "protocol:resume_gap"),
        ({"resumed": True}, ("m2", 3, 7), "protocol:resumed_other_match"),
        ({"resumed": True}, ("m1", 4, 7), "protocol:epoch_back"),
    ],
)
def test_joined(changes, resume, expected):
    found = check_joined(joined(**changes), player="b", game="echo", mode="standard", resume=resume)
    assert found == expected


def test_frames_in_order_are_fine_over_a_change_of_epoch():
    track = Track(joined())
    assert track.frame(3, 10, [0, 5], base=None, sent=5) is None
    assert track.frame(3, 11, [0, 6], base=10, sent=6) is None
    assert track.frame(4, 9, [0, 5], base=None, sent=8) is None
    assert track.acked == 5


@pytest.mark.parametrize(
    ("frame", "base", "expected"),
    [
        ((3, 11, [0, 6]), 11, "protocol:tick_order"),
        ((3, 10, [0, 6]), None, "protocol:tick_order"),
        ((2, 50, [0, 6]), None, "protocol:tick_order"),
        ((3, 12, [0, 6]), 10, "protocol:delta_base"),
        ((3, 12, [0]), 11, "protocol:acks_short"),
        ((3, 12, [0, 7]), 11, "protocol:ack_unsent"),
        ((3, 12, [0, 5]), 11, "protocol:ack_back"),
    ],
)
def test_frames_out_of_order(frame, base, expected):
    track = Track(joined())
    assert track.frame(3, 11, [0, 6], base=None, sent=6) is None
    assert track.frame(*frame, base=base, sent=6) == expected


def test_a_delta_needs_a_snapshot_first():
    track = Track(joined())
    assert track.frame(3, 11, [0, 5], base=10, sent=5) == "protocol:delta_without_base"


def test_events_are_numbered_without_a_gap():
    track = Track(joined())
    assert [track.event(seq) for seq in (8, 9, 9, 12, 13)] == [
        None, None, "protocol:seq_repeat", "protocol:seq_gap", None,
    ]  # fmt: skip


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("game", ["arena", "echo", "liars_dice"])
def test_scripted_inputs_are_valid_and_the_same_for_a_seed(game, format):
    brains = load_brains(game, kind="scripted", format=format, seed=4)
    again = load_brains(game, kind="scripted", format=format, seed=4)
    decode = decoder_for(load_game(game), format).decode
    one, other = brains.make(3), again.make(3)
    for seq in range(1, 100):
        payload = one.payload(seq, None, "p", 0)
        assert payload == other.payload(seq, None, "p", 0)
        assert decode(payload).seq == seq


def test_an_unknown_game_is_named():
    with pytest.raises(ConfigError, match="chess"):
        load_brains("chess", kind="full", format=Format.MSGPACK, seed=1)
