"""What players and designers are told: reasons, estimates, simulated rule sets, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from gameserver.__main__ import main
from gameserver.errors import TicketRefused
from gameserver.game.contract import Mode
from gameserver.game.matchmaking import (
    Choice,
    FreeSeats,
    Latency,
    Range,
    Ready,
    Role,
    Rules,
    Skill,
)
from gameserver.game.validate import problems
from gameserver.games.echo import Echo
from gameserver.lobby.crowd import Crowd, arrivals
from gameserver.lobby.estimate import Estimator, Notes, decode, encode, expected
from gameserver.lobby.explain import explain
from gameserver.lobby.plot import plot
from gameserver.lobby.pool import Pool
from gameserver.lobby.rules import Compiled, check_ticket
from gameserver.lobby.simulate import Simulation, summary
from gameserver.matchmaking import Ticket, TicketId
from tests.lobby.builders import ticket

RULES = Rules(
    teams=2,
    team_size=2,
    party_max=2,
    roles=(Role("healer"),),
    skill=Skill(window=100, widen_per_s=5, window_max=200),
    latency=Latency(regions=("eu", "us"), limit_ms=50, widen_per_s=1, limit_ms_max=100),
    required=(Choice("map", ("x", "y")),),
    ranges=(Range("stake", 0, 10),),
)
NEAR = {"eu": 20, "us": 300}


def test_what_rules_the_others_out_is_said_in_words() -> None:
    pool = Pool(Compiled(RULES))
    pool.add(ticket("me", 1500, latency_ms=NEAR, accepts={"map": ("x",)}))
    pool.add(ticket("fits", 1510, latency_ms=NEAR))
    pool.add(ticket("good", 1900, latency_ms=NEAR))
    pool.add(ticket("away", 1490, latency_ms={"us": 20}))
    pool.add(ticket("map", 1520, latency_ms=NEAR, accepts={"map": ("y",)}))
    found = explain(pool, TicketId("me"), 0)
    assert found is not None
    assert (found.waiting, found.looked_at, found.fitting) == (5, 4, 1)
    assert found.ruled_out == {"skill": 1, "latency": 1, "map": 1}
    assert found.text == (
        "Waiting tickets nearest in skill: 4. Fitting by themselves: 1; sharing no region within "
        "your 50 ms and theirs: 1; wanting another map: 1; further than 100, growing by 5 a "
        "second, from your skill of 1500: 1. 3 more players are needed, and every team needs "
        "1 healer."
    )
    assert explain(pool, TicketId("nobody"), 0) is None


def test_alone_in_the_queue() -> None:
    pool = Pool(Compiled(RULES))
    pool.add(ticket("me", latency_ms=NEAR))
    found = explain(pool, TicketId("me"), 0)
    assert found is not None and found.text.startswith("Nobody else is waiting; 3 more")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (ticket("a", size=3, latency_ms=NEAR), "party_too_large"),
        (ticket("a", roles=("wizard",), latency_ms=NEAR), "bad_ticket"),
        (ticket("a", accepts={"map": ("q",)}, latency_ms=NEAR), "bad_ticket"),
        (ticket("a", accepts={"hat": ("x",)}, latency_ms=NEAR), "bad_ticket"),
        (ticket("a", ranges={"stake": (5, 11)}, latency_ms=NEAR), "bad_ticket"),
        (ticket("a", ranges={"stake": (5, 4)}, latency_ms=NEAR), "bad_ticket"),
        (ticket("a", ranges={"bet": (1, 2)}, latency_ms=NEAR), "bad_ticket"),
        (ticket("a", latency_ms={"eu": 101}), "no_region"),
        (ticket("a", latency_ms={"eu": -1}), "bad_ticket"),
        (ticket("a"), "no_region"),
    ],
)
def test_a_ticket_that_could_never_be_matched_is_refused(wrong: Ticket, code: str) -> None:
    with pytest.raises(TicketRefused) as refused:
        check_ticket(wrong, RULES)
    assert refused.value.code == code
    check_ticket(ticket("a", latency_ms=NEAR, ranges={"stake": (0, 10)}), RULES)


@pytest.mark.parametrize(
    "wrong",
    [
        {"team_size": 1},
        {"team_size": 2, "team_size_min": 3},
        {"team_size": 4, "team_size_min": 1},
        {"team_size": 2, "party_max": 3},
        {"teams": 2, "team_size": 1, "roles": [["a"], ["b"]]},
        {"team_size": 2, "skill": [700]},
        {"teams": 64, "team_size": 3},
        {"team_size": 2, "required": [["a", ["x"]], ["a", ["x"]]]},
        {"team_size": 2, "colour": 1},
    ],
)
def test_rules_that_contradict_themselves_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Rules)


def test_a_mode_whose_matchmaking_is_larger_than_itself_is_a_mistake() -> None:
    class Wrong(Echo):
        modes = {"m": Mode(players_max=2, matchmaking=Rules(team_size=3))}  # noqa: RUF012

    assert any("matches of 3" in each for each in problems(Wrong))


def test_estimates_follow_the_band_and_outlive_their_master() -> None:
    estimator = Estimator(Notes())
    assert expected(estimator.notes(), 1500) is None
    for _ in range(20):
        estimator.matched(1500, 10)
        estimator.matched(2500, 60)
    notes = decode(encode(estimator.notes()))
    band, other = expected(notes, 1510), expected(notes, 2599)
    assert band is not None and (band.p50_s, band.p90_s) == (10, 10)
    assert other is not None and other.p50_s == 60
    unknown = expected(notes, 0)
    assert unknown is not None and unknown.count == 40
    heir = Estimator(notes)
    heir.matched(1500, 99)
    assert expected(heir.notes(), 1510) == band, "one wait says less than twenty"
    assert decode(b"\xc1") == Notes() == decode(b"")


def test_the_crowd_and_the_run_follow_from_the_seed() -> None:
    crowd = Crowd(players=600, rate=10, seed=3)
    assert list(arrivals(RULES, crowd)) == list(arrivals(RULES, crowd))
    run = Simulation(RULES, crowd).run()
    found = summary(run, RULES)
    assert found == summary(Simulation(RULES, crowd).run(), RULES)
    assert found.tickets == len(list(arrivals(RULES, crowd))), "everyone is matched or has gone"
    assert found.matches > 50 and found.players_per_match == 4
    assert found.spread_p90 <= 200
    picture = plot(run, "a < b")
    assert picture.startswith("<svg") and "a &lt; b" in picture


def test_ready_checks_and_backfill_show_in_a_run() -> None:
    rules = msgspec.structs.replace(
        RULES, ready=Ready(), free_seats=FreeSeats.BACKFILL, roles=(), latency=None
    )
    found = summary(Simulation(rules, Crowd(players=800, leave_share=0.2)).run(), rules)
    assert found.declined_checks > 5 and found.backfills > 0.05 and found.seats_offered > 20


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[2] / "docs" / "examples" / "ranked.toml"
    command = ["matchmaking", "simulate", str(example), "--players", "400", "--out", str(tmp_path)]
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "report.json").read_text())
    assert printed["tickets"] > 200
    assert (tmp_path / "plot.svg").read_text().endswith("</svg>\n")
    assert main(command) == 0
    assert "matches of 8.0 players" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nothing.toml", "echo/nothing", "echo"])
def test_rules_that_are_not_there_are_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matchmaking", "simulate", name]) == 2
    assert name in capsys.readouterr().err


def test_a_file_with_a_mistake_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("team_size = 1\n")
    assert main(["matchmaking", "simulate", str(wrong)]) == 2
    assert "two players at least" in capsys.readouterr().err
