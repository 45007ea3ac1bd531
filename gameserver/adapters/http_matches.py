"""What can be played, and what is being played on all nodes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gameserver.adapters.http_page import LIMIT_DEFAULT, Cursor, Limit, place_after, place_of
from gameserver.adapters.http_problem import BAD_CURSOR, NODE_SILENT, NOT_FOUND, Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate
from gameserver.adapters.http_services import Services
from gameserver.game.contract import AnyGame
from gameserver.game.schema import messages
from gameserver.hosting import HostRefused
from gameserver.ids import PlayerId
from gameserver.listing import FRESH_S, Bulletin, Listed, Order, Place, Query, Visibility

Name = Annotated[str, Meta(max_length=64)]
MatchName = Annotated[str, Meta(pattern=r"^[0-9a-z]{1,64}\Z")]
Seats = Annotated[int, Meta(ge=0, le=1000, description="At least so many seats are open.")]
Text = Annotated[str, Meta(max_length=64, description="A part of the title, in any case.")]
UNKNOWN_GAME = Kind("unknown_game", 404, "There is no such game.")


class MatchesAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Empty: any."""

    game: Name = ""
    mode: Name = ""
    text: Text = ""
    seats: Seats = 0
    order: Order = Order.NEWEST
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = ""


class MatchShown(msgspec.Struct, frozen=True, kw_only=True):
    """A running match. ``seats_open``: those that anybody may take; ``created_ms``: ms since the
    Unix epoch."""

    id: str
    game: str
    mode: str
    title: str
    visibility: Visibility
    players: int
    players_max: int
    seats_open: int
    tick: int
    state: str
    created_ms: int


class MatchesShown(msgspec.Struct, frozen=True, kw_only=True):
    """``total``: how many there are on all pages."""

    matches: list[MatchShown]
    total: int
    next: str | None


class MatchAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One match."""

    match: MatchName


class ModeShown(msgspec.Struct, frozen=True, kw_only=True):
    """A way to play a game. ``choices``: the options that who creates a match may set, and what
    to; ``options``: what all are where nothing is said. ``pauses``: how often the players may vote
    for one; ``rematch_ms``: how long after the end they may vote for another match."""

    name: str
    title: str
    players_min: int
    players_max: int
    pauses: int
    rematch_ms: int
    options: dict[str, int | float | str]
    choices: dict[str, list[int | float | str]]


class GameShown(msgspec.Struct, frozen=True, kw_only=True):
    """``tick_rate`` in Hz; 0: turn by turn."""

    name: str
    tick_rate: int
    modes: list[ModeShown]


class GamesShown(msgspec.Struct, frozen=True, kw_only=True):
    """All games of this server."""

    games: list[GameShown]


class GameAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One game, by its name."""

    game: Annotated[str, Meta(min_length=1, max_length=64)]


class GameSchema(msgspec.Struct, frozen=True, kw_only=True):
    """What clients send and see, as JSON Schema 2020-12 that refers into ``$defs``. ``events`` by
    kind; ``hidden``: each player has a view of their own; ``tick_rate`` in Hz, 0: turn by turn."""

    name: str
    tick_rate: int
    hidden: bool
    modes: list[ModeShown]
    input: dict[str, Any]
    view: dict[str, Any]
    events: dict[str, dict[str, Any]]
    result: dict[str, Any] | None
    defs: dict[str, dict[str, Any]] = msgspec.field(name="$defs")


async def _list(services: Services, call: Call[MatchesAsked, Nothing]) -> MatchesShown:
    asked = call.params
    check_game(services.matches, asked.game)
    catalogue = await services.matches.current()
    found = catalogue.find(
        Query(
            game=asked.game,
            mode=asked.mode,
            text=asked.text,
            seats_min=asked.seats,
            order=asked.order,
        )
    )
    page, last = found.after(place_of(asked.cursor, Place), asked.limit)  # type: ignore[arg-type]
    return MatchesShown(
        matches=[shown(one) for one in page],
        total=len(found.matches),
        next=place_after(last),
    )


async def _show(services: Services, call: Call[MatchAsked, Nothing]) -> MatchShown:
    listed = (await services.matches.current()).get(call.params.match)
    if listed is None:
        raise Problem(NOT_FOUND)
    if listed.visibility is Visibility.PRIVATE:
        await _check_guest(services, listed, call.player.player_id)
    return shown(listed)


async def _check_guest(services: Services, listed: Listed, player: PlayerId) -> None:
    """Who may not come in is not told that there is anything."""
    try:
        is_guest = await services.hosting.is_guest(listed.id, player)
    except HostRefused:
        is_guest = False
    if not is_guest:
        raise Problem(NOT_FOUND)


async def _games(services: Services, call: Call[Nothing, Nothing]) -> GamesShown:
    return GamesShown(
        games=[
            GameShown(
                name=name,
                tick_rate=game.tick_rate,
                modes=_modes(game),
            )
            for name, game in services.matches.games.items()
        ]
    )


async def _schema(services: Services, call: Call[GameAsked, Nothing]) -> GameSchema:
    game = services.matches.games.get(call.params.game)
    if game is None:
        raise Problem(UNKNOWN_GAME)
    parts = messages(type(game))
    return GameSchema(
        name=game.name,
        tick_rate=game.tick_rate,
        hidden=game.hidden,
        modes=_modes(game),
        input=parts.input,
        view=parts.view,
        events=parts.events,
        result=parts.result,
        defs=parts.defs,
    )


def _modes(game: AnyGame) -> list[ModeShown]:
    return [
        ModeShown(
            name=name,
            title=mode.title,
            players_min=mode.players_min,
            players_max=mode.players_max,
            pauses=mode.pauses,
            rematch_ms=mode.rematch_ms,
            options=dict(mode.options),
            choices={option: list(allowed) for option, allowed in mode.choices.items()},
        )
        for name, mode in game.modes.items()
    ]


def check_game(matches: Bulletin, name: str) -> None:
    """Raises ``Problem`` for a game that this server does not know; empty: any."""
    if name and name not in matches.games:
        known = ", ".join(sorted(matches.games))
        raise Problem(UNKNOWN_GAME, f"There is no such game; there are: {known}.")


def shown(listed: Listed) -> MatchShown:
    """What players see of a match."""
    return MatchShown(
        id=listed.id,
        game=listed.game,
        mode=listed.mode,
        title=listed.title,
        visibility=listed.visibility,
        players=listed.players,
        players_max=listed.players_max,
        seats_open=listed.seats_open,
        tick=listed.tick,
        state=listed.state,
        created_ms=listed.created_ms,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/matches",
        tag="matches",
        summary="The public matches of all nodes",
        description=f"As they were at most {FRESH_S:g} seconds ago.",
        caller=Caller.PLAYER,
        id_token=True,
        rate=Rate.READ,
        handler=_list,
        params=MatchesAsked,
        answers={200: MatchesShown},
        problems=(UNKNOWN_GAME, BAD_CURSOR),
    ),
    Endpoint(
        method="GET",
        path="/v1/matches/{match}",
        tag="matches",
        summary="One match; a private one only for its guests",
        description=f"As it was at most {FRESH_S:g} seconds ago.",
        caller=Caller.PLAYER,
        id_token=True,
        rate=Rate.READ,
        handler=_show,
        params=MatchAsked,
        answers={200: MatchShown},
        problems=(NODE_SILENT,),
    ),
    Endpoint(
        method="GET",
        path="/v1/games",
        tag="matches",
        summary="The games of this server and their modes",
        caller=Caller.PUBLIC,
        rate=Rate.READ,
        handler=_games,
        answers={200: GamesShown},
    ),
    Endpoint(
        method="GET",
        path="/v1/games/{game}/schema",
        tag="matches",
        summary="What clients of a game send and see, as JSON Schema",
        caller=Caller.PUBLIC,
        rate=Rate.READ,
        handler=_schema,
        params=GameAsked,
        answers={200: GameSchema},
        problems=(UNKNOWN_GAME,),
    ),
)
