"""The capacity plan: the page is the model's, and its figures are those that were measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.capacity import figures as f
from deploy.capacity.__main__ import PLOT, TARGET, main
from deploy.capacity.document import PLAYERS, document
from deploy.capacity.model import (
    ARENA,
    PARTS,
    SHARED,
    Cell,
    Game,
    bears,
    elastic,
    first,
    holds,
    monthly_sqs,
    plan,
)
from deploy.capacity.points import SHOWN, points
from deploy.cost import model as cost
from deploy.cost.model import SIZES, estimate, total

ROOT = Path(__file__).parents[2]
MEASURED = [one for one in f.FIGURES if one.found]
EACH = pytest.mark.parametrize("name", SIZES)


def test_the_page_is_what_the_model_says() -> None:
    assert TARGET.read_text() == document(), "python -m deploy.capacity"
    assert PLOT.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("figure", MEASURED, ids=lambda one: one.name)
def test_a_measured_figure_is_in_its_file(figure: f.Figure) -> None:
    text = (ROOT / figure.source).read_text()
    assert figure.found in text, f"{figure.source} says something else of: {figure.name}"
    ways = (f"{figure.value:,g}", f"{figure.value:,.2f}", f"{figure.value:,.0f}")
    assert any(way in figure.found.replace("_", ",") for way in ways)


def test_every_figure_has_a_unit_a_source_and_a_date() -> None:
    assert all(one.name and one.unit and one.source and one.as_of for one in f.FIGURES)
    assert len({one.name for one in f.FIGURES}) == len(f.FIGURES)
    used = {one for one in vars(f).values() if isinstance(one, f.Figure)}
    used |= {*f.HEARTBEAT_VALKEY_US, *f.HEARTBEAT_SERVER_US}
    assert used == set(f.FIGURES)


def test_figures_that_the_estimate_has_too_are_the_same() -> None:
    assert f.VALKEY_US.value == cost.VALKEY_US_PER_CYCLE
    assert f.POSTGRES_US.value == cost.POSTGRES_US_PER_EVENT
    assert f.PER_SERVER.value == cost.CONNECTIONS_PER_SERVER
    sessions = '"GAMESERVER_SESSIONS_MAX", "value": "1300"'
    assert f.SESSIONS_MAX.value == 1_300 and sessions in (ROOT / "ecs-task.json").read_text()
    assert {size.redis_node for size in SIZES.values()} == set(f.VALKEY_GBIT)
    assert set(f.VALKEY_CORE) == set(f.VALKEY_GBIT)
    assert {size.database for size in SIZES.values()} == set(f.POSTGRES_CORES)


def test_the_arena_is_what_the_templates_are_made_for() -> None:
    assert ARENA.per_server == cost.CONNECTIONS_PER_SERVER
    assert ARENA.cycle_us == pytest.approx(35, rel=0.05), "as the templates say"


@EACH
def test_a_size_bears_what_it_is_meant_for_at_the_price_of_the_estimate(name: str) -> None:
    size = SIZES[name]
    made = plan(size.play.peak)
    assert (made.cells, made.cell.size) == (1, size)
    assert all(part.load(made.cell, size.play.peak) <= part.ceiling for part in PARTS)
    assert made.dollars == pytest.approx(total(estimate(size)))


def test_many_players_are_cells_of_the_largest_size() -> None:
    for players in PLAYERS[2:]:
        made = plan(players)
        assert made.cell.size == SIZES["large"]
        assert made.cells * made.each >= players
        assert made.each <= bears(made.cell)
    one, ten = plan(100_000), plan(1_000_000)
    assert ten.cells == 10
    calls = next(line for line in ten.lines if line.what == "SQS")
    assert f"{3 * monthly_sqs(one) / 1e6:,.0f} million" == calls.how_much
    apart = [line.what for line in ten.lines if line.what not in SHARED]
    for first_line, line in zip(one.lines, ten.lines, strict=True):
        if line.what in apart:
            assert line.dollars == pytest.approx(10 * first_line.dollars)
        else:
            assert line.dollars < 10.1 * first_line.dollars
    assert SHARED == {line.what for line in ten.lines} - set(apart)


@EACH
def test_what_gives_way_first_is_over_its_ceiling_with_one_player_more(name: str) -> None:
    cell = Cell(game=ARENA, size=SIZES[name])
    part, most = first(cell)
    assert part.load(cell, most) <= part.ceiling < part.load(cell, most + 1)
    assert all(holds(cell, other) >= most for other in PARTS)


def test_in_a_single_cell_servers_are_what_ends_it() -> None:
    cell = elastic()
    over = {part.name for part in PARTS if part.load(cell, 1_000_000) > part.ceiling}
    assert "Valkey: the core of one node" in over
    assert "PostgreSQL's cores" not in over


@pytest.mark.parametrize(
    ("dearer", "more"),
    [
        (replace(ARENA, game_us=60.0), "servers"),
        (replace(ARENA, tick=60.0), "servers"),
        (replace(ARENA, players_per_match=2.0), "servers"),
        (replace(ARENA, snapshot_bytes=900.0), "dollars"),
        (replace(ARENA, events_per_s=1.0), "dollars"),
    ],
    ids=["game_us", "tick", "players_per_match", "snapshot_bytes", "events_per_s"],
)
def test_a_heavier_game_needs_more(dearer: Game, more: str) -> None:
    usual, heavy = plan(300_000), plan(300_000, dearer)
    servers = [one.cells * one.cell.servers(one.each) for one in (usual, heavy)]
    assert servers[1] > servers[0] if more == "servers" else heavy.dollars > usual.dollars
    assert heavy.each <= bears(heavy.cell)


def test_a_server_holds_a_match_however_heavy_and_no_more_than_its_sessions() -> None:
    assert replace(ARENA, game_us=100_000.0, players_per_match=64.0).per_server == 64
    assert replace(ARENA, tick=1.0).per_server == f.SESSIONS_MAX.value


def test_with_figures_of_ones_own_it_only_prints(capsys: pytest.CaptureFixture[str]) -> None:
    before = TARGET.read_bytes(), PLOT.read_bytes()
    assert main(["--game-us", "12", "--tick", "30", "--players", "5000,400000"]) == 0
    printed = capsys.readouterr().out
    assert "| players at the peak | 5,000 | 400,000 |" in printed
    assert "dollars a month" in printed
    assert (TARGET.read_bytes(), PLOT.read_bytes()) == before
    for wrong in (["--tick", "0"], ["--players", "0"], ["--players", "x"]):
        with pytest.raises(SystemExit):
            main(wrong)


def test_the_plot_shows_every_part_and_each_dollar() -> None:
    data = points()
    assert set(data["loads"]) == set(SHOWN)
    sums = [sum(each) for each in zip(*data["dollars"].values(), strict=True)]
    for players, dollars in zip(data["players"], sums, strict=True):
        assert dollars == pytest.approx(plan(players).dollars / players)
