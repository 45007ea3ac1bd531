"""Checks a game class once, when it is loaded, so that a mistake is named before anyone plays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec import inspect

from gameserver.game import packed
from gameserver.game.contract import Game, Mode
from gameserver.wire.event_record import SERVER_KINDS

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PLAYERS_MAX = 1000
_TICK_RATE_MAX = 128
_DELAY_MS_MAX = 600_000
_PAUSE_MS_MAX = 600_000
_REMATCH_MS_MAX = 120_000
_JOIN_MS_MIN = 1_000


def problems(game: type[Any]) -> list[str]:
    """What is wrong with a game class, each with what to do; empty if it can be played."""
    if not (isinstance(game, type) and issubclass(game, Game)):
        return ["is not a class derived from gameserver.game.contract.Game"]
    found = [*_names(game), *_modes(game), *_methods(game)]
    for part in ("State", "Input", "View"):
        found += _struct(game, part)
    found += _events(game)
    found += _result(game)
    return found


def event_kinds(game: type[Game[Any, Any, Any]]) -> Mapping[type[Any], str]:
    """The event types of a valid game, and each one's kind (its tag)."""
    return {event: str(event.__struct_config__.tag) for event in _event_types(game)}


def _names(game: type[Any]) -> Iterator[str]:
    name = getattr(game, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield f"name must match {_NAME.pattern}, such as 'arena'; it is {name!r}"
    rate = getattr(game, "tick_rate", None)
    if type(rate) is not int or not 0 <= rate <= _TICK_RATE_MAX:
        yield (
            f"tick_rate must be a whole number of Hz from 1 to {_TICK_RATE_MAX}, or 0 to step "
            f"only when an input arrives; it is {rate!r}"
        )
    version = getattr(game, "version", None)
    if type(version) is not int or not 0 <= version < 2**31:
        yield f"version must be a whole number from 0 to 2147483647; it is {version!r}"
    delay = getattr(game, "spectate_delay_ms", None)
    if delay is not None and (type(delay) is not int or not 0 <= delay <= _DELAY_MS_MAX):
        yield (
            f"spectate_delay_ms must be a whole number of ms from 0 to {_DELAY_MS_MAX}, or None "
            f"where nobody may watch; it is {delay!r}"
        )


def _modes(game: type[Any]) -> Iterator[str]:
    modes = getattr(game, "modes", None)
    if not isinstance(modes, Mapping) or not modes:
        yield "modes must be a mapping with at least one Mode; the first is the default"
        return
    for name, mode in modes.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield f"the mode name {name!r} must match {_NAME.pattern}"
        if not isinstance(mode, Mode):
            yield f"modes[{name!r}] must be a Mode, not {type(mode).__name__}"
        elif not 1 <= mode.players_min <= mode.players_max <= _PLAYERS_MAX:
            yield (
                f"modes[{name!r}] must have 1 <= players_min <= players_max <= {_PLAYERS_MAX}; "
                f"it has {mode.players_min} and {mode.players_max}"
            )
        elif not (mode.pauses >= 0 and 1_000 <= mode.pause_ms <= _PAUSE_MS_MAX):
            yield (
                f"modes[{name!r}] must have pauses >= 0 and pause_ms from 1000 to {_PAUSE_MS_MAX}"
            )
        elif mode.join_until_ms is not None and mode.join_until_ms < _JOIN_MS_MIN:
            yield f"modes[{name!r}] must have join_until_ms of {_JOIN_MS_MIN} or more, or None"
        elif mode.bots is not None and not 1 <= mode.bots.seats <= mode.players_max:
            yield f"modes[{name!r}] must have bots for 1 to players_max seats"
        elif mode.bots is not None and game.bot is Game.bot:
            yield f"modes[{name!r}] has bots, so bot() must be overridden: it says what they do"
        elif not 0 <= mode.rematch_ms <= _REMATCH_MS_MAX:
            yield f"modes[{name!r}] must have rematch_ms from 0 to {_REMATCH_MS_MAX}"
        elif mode.matchmaking is not None and mode.matchmaking.size > mode.players_max:
            yield (
                f"modes[{name!r}] has players_max {mode.players_max}, but its matchmaking makes "
                f"matches of {mode.matchmaking.size}"
            )
        else:
            yield from _choices(name, mode)


def _choices(name: str, mode: Mode) -> Iterator[str]:
    for option, allowed in mode.choices.items():
        if option not in mode.options:
            yield f"modes[{name!r}] has choices for {option!r}, which is none of its options"
        elif mode.options[option] not in allowed:
            yield f"modes[{name!r}] must list its own {option!r} among the choices"


def _methods(game: type[Any]) -> Iterator[str]:
    def overridden(method: str) -> bool:
        return getattr(game, method) is not getattr(Game, method)

    for method in ("start", "step", "view"):
        if not overridden(method):
            yield f"{method}() must be overridden"
    if game.hidden and not overridden("view_for"):
        yield "hidden is true, so view_for() must be overridden: it says what one player may see"
    if not game.hidden and overridden("view_for"):
        yield "view_for() is overridden but never called: set hidden = True"
    if game.hidden and game.spectate_delay_ms is not None and not overridden("view_public"):
        yield (
            "a hidden game that may be watched must override view_public(): what spectators see; "
            "without it, leave spectate_delay_ms at None"
        )
    if not game.hidden and overridden("view_public"):
        yield "view_public() is overridden but never called: spectators see view()"


def _struct(game: type[Any], part: str) -> Iterator[str]:
    kind = getattr(game, part, None)
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        yield f"{part} must be set to a msgspec Struct class; it is {kind!r}"
        return
    try:
        info = inspect.type_info(kind)
        msgspec.msgpack.Decoder(kind, dec_hook=packed.unpack)
        msgspec.json.Decoder(kind, dec_hook=packed.unpack)
    except (TypeError, NameError) as error:
        yield f"{part} cannot be encoded and decoded by msgspec: {error}"
        return
    if part == "View" and kind.__struct_config__.array_like:
        yield "View must not be array_like: deltas name its fields (its entities may well be)"
    if part == "View" and kind.__struct_config__.omit_defaults:
        yield "View must not omit defaults: a delta says what a field has become"
    for where in find_types(info, part, _unstable):
        yield (
            f"{where} is a set, whose order differs from process to process: "
            "use a dict (which keeps its order) or a sorted list"
        )
    for where in find_types(info, part, _unknown_in_state if part == "State" else _unknown):
        yield f"{where} has a type that msgspec does not know: use a Struct in its place"


def _unstable(found: inspect.Type) -> bool:
    return isinstance(found, inspect.SetType | inspect.FrozenSetType)


def _unknown(found: inspect.Type) -> bool:
    return isinstance(found, inspect.CustomType)


def _unknown_in_state(found: inspect.Type) -> bool:
    return isinstance(found, inspect.CustomType) and not packed.is_packed(found.cls)


def find_types(
    info: inspect.Type, where: str, wanted: Callable[[inspect.Type], bool]
) -> Iterator[str]:
    """The paths in ``info`` at which a type is ``wanted``; every Struct is entered once."""
    waiting, entered = [(where, info)], set()
    while waiting:
        path, found = waiting.pop()
        if wanted(found):
            yield path
        match found:
            case inspect.StructType(cls=cls, fields=fields):
                if cls not in entered:
                    entered.add(cls)
                    waiting += [(f"{path}.{field.name}", field.type) for field in fields]
            case inspect.DictType(key_type=key, value_type=value):
                waiting += [(f"{path}[key]", key), (f"{path}[…]", value)]
            case inspect.CollectionType(item_type=item):
                waiting.append((f"{path}[…]", item))
            case inspect.TupleType(item_types=items):
                waiting += [(f"{path}[{index}]", item) for index, item in enumerate(items)]
            case inspect.UnionType(types=types):
                waiting += [(path, part) for part in types]
            case inspect.Metadata(type=inner):
                waiting.append((path, inner))
            case _:
                pass


def _event_types(game: type[Any]) -> tuple[Any, ...]:
    declared = getattr(game, "Event", None)
    if declared is None:
        return ()
    return get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)


def _events(game: type[Any]) -> Iterator[str]:
    kinds: set[str] = set()
    for event in _event_types(game):
        if not (isinstance(event, type) and issubclass(event, msgspec.Struct)):
            yield f"Event must be a msgspec Struct or a union of them; {event!r} is not one"
            continue
        kind, config = event.__struct_config__.tag, event.__struct_config__
        if not isinstance(kind, str) or not _KIND.fullmatch(kind):
            yield (
                f"event {event.__name__} must have a tag that matches {_KIND.pattern}, such as "
                f"class {event.__name__}(msgspec.Struct, tag={event.__name__.lower()!r})"
            )
        elif kind in SERVER_KINDS:
            yield f"event {event.__name__}: the server itself states {kind!r}; use another tag"
        elif kind in kinds:
            yield f"event {event.__name__}: the tag {kind!r} is taken by another event"
        else:
            kinds.add(kind)
        if config.array_like:
            yield f"event {event.__name__} must not be array_like: PostgreSQL keeps its field names"


def _result(game: type[Any]) -> Iterator[str]:
    result = getattr(game, "Result", None)
    if result is None:
        return
    yield from _struct(game, "Result")
    if isinstance(result, type) and issubclass(result, msgspec.Struct):
        if result.__struct_config__.array_like:
            yield "Result must not be array_like: PostgreSQL keeps its field names"
