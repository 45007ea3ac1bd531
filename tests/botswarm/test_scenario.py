"""Scenario files, and what their steps do to bots."""

from __future__ import annotations

import random

import msgspec
import pytest

from botswarm.__main__ import main
from botswarm.cli import parse_run
from botswarm.happening import Deploy, ReadSlowly, Reconnect, Rejoin, SendMalformed, chosen
from botswarm.play import Play
from botswarm.reading import Reading
from botswarm.scenario import load, parse, shipped
from botswarm.stage import malformed
from gameserver.errors import ConfigError
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import BadMessage, Format, decoder_for
from gameserver.wire.to_client import ErrorCode
from tests.botswarm.command import exit_code
from tests.botswarm.server import GAME

FILE = """
about = "Half of them is cut off."
expect = ["close:*"]

[run]
bots = 12
duration = 9.0
ramp = 0.5

[limits]
max_p99_ms = 80

[[steps]]
do = "reconnect"
at_s = 2.0
share = 0.5
"""


@pytest.mark.parametrize("name", shipped())
def test_each_that_comes_along_is_a_run_of_at_most_a_minute(name):
    settings = parse_run(["--scenario", name]).settings
    assert settings.ramp_s + settings.duration_s + settings.finish_s <= 60
    assert settings.bots <= 300


@pytest.mark.parametrize("name", shipped())
def test_what_is_expected_can_come(name):
    errors = {f"error:{code.value}" for code in ErrorCode}
    closes = {f"close:{code.name.lower()}" for code in CloseCode}
    others = {"close:abnormal", "connect_refused", "handshake_503", "paused", "unsent"}
    assert set(load(name).expect) <= errors | closes | others


def test_those_that_come_along(capsys):
    assert main(["scenarios"]) == 0
    told = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    storms = ["join_storm", "malformed", "ramp", "reconnect_storm", "slow_readers"]
    assert told == ["deploy", *storms]


def test_the_command_line_comes_before_the_file(tmp_path):
    path = tmp_path / "cut.toml"
    path.write_text(FILE)
    command = parse_run(["--scenario", str(path), "--bots", "4", "--expect", "stall"])
    settings = command.settings
    assert (settings.bots, settings.duration_s, settings.ramp_s) == (4, 9.0, 0.5)
    assert (command.scenario, command.limits.max_p99_ms) == ("cut", 80)
    assert command.expect == ["close:*", "stall"]
    assert settings.happenings == [Reconnect(at_s=2.0, share=0.5)]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("about =", "abuot =", "unknown field `abuot`"),
        ("bots = 12", "bots = 0", "run.bots: Expected `int` >= 1"),
        ("bots = 12", 'bots = "many"', "run.bots: Expected"),
        ("bots = 12", "bost = 12", "unknown field `bost`"),
        ("duration = 9.0", "", "run: Object missing required field `duration`"),
        ("share = 0.5", "share = 1.5", "steps[0].share: Expected `float` <= 1"),
        ("share = 0.5", "for_s = 1.0", "unknown field `for_s`"),
        ('do = "reconnect"', 'do = "explode"', "Invalid value 'explode'"),
        ('do = "reconnect"', "", "missing required field `do`"),
        ("max_p99_ms", "max_p100_ms", "unknown field `max_p100_ms`"),
        ("at_s = 2.0", "at_s = ", "line 15"),
        ("about =", 'name = "x"\nabout =', "leave it out"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old, new, words):
    with pytest.raises(ValueError) as caught:
        parse(FILE.replace(old, new, 1), name="x")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "hurricane"], "not one of deploy, join_storm"),
        (["--scenario", "/nonexistent.toml"], "cannot be read"),
        (["--scenario", "../scenarios/ramp"], "not one of"),
        (
            ["--scenario", "reconnect_storm", "--duration", "10"],
            "steps[1] (reconnect): lasts until",
        ),
        (["--scenario", "slow_readers", "--url", "wss://x"], "only for a ws:// URL"),
        (["--scenario", "ramp", "--deploy", "true"], "only for a scenario with a deploy"),
        (["--scenario", "deploy", "--deploy", "'true"], "No closing quotation"),
        (["--html", "/nonexistent/x.html"], "does not exist"),
    ],
)
def test_what_does_not_go_together_is_said(capsys, arguments, words):
    assert exit_code(arguments) == 2
    assert words in capsys.readouterr().err


def test_deploys_do_not_overlap(tmp_path):
    path = tmp_path / "two.toml"
    step = '[[steps]]\ndo = "deploy"\nat_s = 1.0\nwithin_s = 3.0\n'
    path.write_text(FILE + step + step.replace("1.0", "3.5"))
    with pytest.raises(ConfigError, match="one deploy must end"):
        parse_run(["--scenario", str(path)])


def test_a_share_is_spread_over_the_bots_and_over_processes():
    step = Reconnect(at_s=5.0, share=0.25, spread_s=2.0)
    found = [index for index, _ in chosen(step, list(range(40)), bots=40)]
    assert found == list(range(3, 40, 4))
    halves = [list(chosen(step, list(range(start, 40, 2)), bots=40)) for start in (0, 1)]
    assert sum(map(len, halves)) == 10
    assert all(5.0 <= at_s < 7.0 for half in halves for _, at_s in half)


def test_steps_survive_the_pipe():
    steps = [
        Rejoin(at_s=1.0),
        ReadSlowly(at_s=1.0, for_s=2.0),
        SendMalformed(at_s=2.0, messages=3),
        Deploy(at_s=3.0, within_s=4.0),
    ]
    scenario = msgspec.structs.replace(load("ramp"), steps=steps)
    encoded = msgspec.msgpack.encode(scenario)
    assert msgspec.msgpack.decode(encoded, type=type(scenario)) == scenario


@pytest.mark.parametrize("format", Format)
def test_no_server_takes_what_is_malformed(format):
    decode = decoder_for(GAME, format).decode
    for payload in malformed(format, random.Random(1)):
        if format is Format.JSON:
            payload.decode()
        with pytest.raises(BadMessage):
            decode(payload)


async def test_steps_befall_their_share_of_the_bots(server, run):
    server.lets_leave = True
    steps = [
        Reconnect(at_s=0.1, share=0.5),
        SendMalformed(at_s=0.0, messages=6, share=0.25),
        Rejoin(at_s=1.0),
    ]

    def met(stats):
        return stats.resumes >= 2 and stats.joins >= 10

    outcome = await run.until(met, bots=4, happenings=steps)
    assert outcome.total.errors == {}
    assert (outcome.total.reconnects, server.connections) == (2, 6)
    assert len(set(server.malformed)) == 6


@pytest.mark.parametrize("run", [Reading.WOKEN, Reading.POLLED], indirect=True)
async def test_who_reads_nothing_has_no_latency_of_that_time(server, run, monkeypatch):
    seen: list[int] = []
    reads = Play.reads

    def spy(play, on, now):
        seen.append(play._stats.snapshots)
        reads(play, on, now)
        if on:
            assert set(play._sent_at) == {0.0} and play.seen_at == now

    monkeypatch.setattr(Play, "reads", spy)
    outcome = await run.until(
        lambda stats: len(seen) == 2 and stats.snapshots > seen[1],
        bots=1,
        rate=20.0,
        happenings=[ReadSlowly(at_s=0.2, for_s=0.5)],
    )
    assert outcome.total.errors == {}
    assert seen[0] == seen[1], "nothing was read meanwhile"
    assert server.connections == 1
