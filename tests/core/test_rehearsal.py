"""A match played by hand, with the bundled games."""

from __future__ import annotations

import pytest

from gameserver.game.contract import LeaveReason, Refused
from gameserver.game.rehearsal import Rehearsal
from gameserver.games.echo import Echo, EchoInput
from gameserver.games.liars_dice import LiarsDice
from gameserver.games.liars_dice_types import Act


def test_inputs_change_the_state_and_the_view_is_a_copy() -> None:
    match = Rehearsal(Echo, mode="pair")
    ada = match.join("ada")
    before = match.view()
    match.step((ada, EchoInput(x=7)))
    match.steps(2)
    assert match.view().players[ada.seat].x == 7
    assert before.players[ada.seat].x == 0
    assert match.time_ms == 3 * 50


def test_seats_are_limited_and_used_again() -> None:
    match = Rehearsal(Echo, mode="pair")
    ada, bo = match.join("ada"), match.join("bo")
    with pytest.raises(ValueError, match="2 seats"):
        match.join("cy")
    match.leave(ada, LeaveReason.DISCONNECTED)
    assert match.join("cy").seat == ada.seat
    assert bo.seat == 1


def test_a_turn_based_game_is_woken() -> None:
    match = Rehearsal(LiarsDice, mode="blitz")
    ada, bo = match.join("ada"), match.join("bo")
    match.step((ada, Act(action="ready")), (bo, Act(action="ready")))
    assert match.view().phase == "bidding"
    turn = match.view().turn
    match.wake()
    assert match.time_ms > 0
    assert match.view().turn != turn
    assert match.events
    assert match.view(ada).own and not match.view().own


def test_what_the_game_refuses_is_refused() -> None:
    match = Rehearsal(LiarsDice, mode="blitz")
    ada, bo = match.join("ada"), match.join("bo")
    match.step((ada, Act(action="ready")), (bo, Act(action="ready")))
    with pytest.raises(Refused):
        match.join("late")


def test_echo_waits_for_inputs_only() -> None:
    with pytest.raises(ValueError, match="waits for an input"):
        Rehearsal(Echo).wake()
