"""What can be played, and what is being played on this node."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gameserver.adapters.http_page import LIMIT_DEFAULT, Cursor, Limit, page_of
from gameserver.adapters.http_problem import BAD_CURSOR, Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate
from gameserver.adapters.http_services import MatchInfo, Services
from gameserver.game.contract import AnyGame
from gameserver.game.schema import messages

Name = Annotated[str, Meta(max_length=64)]
UNKNOWN_GAME = Kind("unknown_game", 404, "There is no such game.")


class MatchesAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Empty: any."""

    game: Name = ""
    mode: Name = ""
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = ""


class MatchShown(msgspec.Struct, frozen=True, kw_only=True):
    """A running match."""

    id: str
    game: str
    mode: str
    players: int
    players_max: int
    tick: int
    state: str


class MatchesShown(msgspec.Struct, frozen=True, kw_only=True):
    """``total``: how many there are on all pages."""

    matches: list[MatchShown]
    total: int
    next: str | None


class ModeShown(msgspec.Struct, frozen=True, kw_only=True):
    """A way to play a game."""

    name: str
    title: str
    players_min: int
    players_max: int


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
    asked, games = call.params, services.matches.games
    if asked.game and asked.game not in games:
        known = ", ".join(sorted(games))
        raise Problem(UNKNOWN_GAME, f"There is no such game; there are: {known}.")
    found = services.matches.listing()
    if asked.game:
        found = [info for info in found if info.game == asked.game]
    if asked.mode:
        found = [info for info in found if info.mode == asked.mode]
    page, after = page_of(found, key=attrgetter("id"), cursor=asked.cursor, limit=asked.limit)
    return MatchesShown(matches=[_shown(info) for info in page], total=len(found), next=after)


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
        )
        for name, mode in game.modes.items()
    ]


def _shown(info: MatchInfo) -> MatchShown:
    return MatchShown(
        id=info.id,
        game=info.game,
        mode=info.mode,
        players=info.players,
        players_max=info.players_max,
        tick=info.tick,
        state=info.state,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/matches",
        tag="matches",
        summary="The matches that run on this node",
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
