"""One case against a real server: sent, and its answer judged.

handshake   bytes to the WebSocket port      ─► an answer with a code, then the end
frames      a good handshake, then bytes     ─► a close frame with code and reason, or it lives
messages    the same, whole frames with messages that may be bad
api         bytes to the HTTP API's port     ─► answers, each one HTTP, none of them 500
"""

from __future__ import annotations

import json
import random
import secrets
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gameserver.wire import from_client, to_client
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import Format, encode_client
from tests.fuzz import frames, mutate, requests
from tests.fuzz.connections import Seen, by_protocol, whole_frames
from tests.fuzz.link import ANSWER_S, MARK, Answer, Link
from tests.wire.connect_vectors import KEY, request

PAYLOAD_MAX = 2048
HEAD_MAX = 16_384
HANDSHAKES = frozenset({101, 200, 400, 401, 403, 404, 405, 408, 426, 431, 503, 505})
CODES = frozenset(map(int, CloseCode))
QUIET_S = 0.4
GAMES = ("arena", "echo", "liars_dice")
KINDS = ("handshake", "frames", "messages", "api")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """``raw``: the bytes; ``dice``: how they are cut, and what comes before them."""

    kind: str
    raw: bytes
    dice: int


def made(kind: str, chance: random.Random) -> Case:
    """One case."""
    dice = chance.randrange(2**32)
    format = format_of(dice)
    match kind:
        case "handshake":
            raw = requests.handshake(chance)
        case "frames":
            raw = frames.stream(chance, format, payload_max=PAYLOAD_MAX)
        case "messages":
            raw = frames.messages(chance, format)
        case _:
            raw = requests.api(chance)
    return Case(kind=kind, raw=raw, dice=dice)


def format_of(dice: int) -> Format:
    """The format of a case after a handshake."""
    return Format.JSON if dice % 2 else Format.MSGPACK


@dataclass(kw_only=True)
class Doors:
    """Where a server is, and who may come in."""

    host: str
    ws_port: int
    http_port: int
    tokens: list[str]
    players: list[str]
    patience_s: float = ANSWER_S
    codes: dict[str, int] = field(default_factory=dict)
    """How often each way to end was seen, for people."""


async def tried(doors: Doors, case: Case, number: int) -> str | None:
    """Send a case; what is wrong with what came of it. ``number`` chooses the player."""
    chance = random.Random(case.dice)
    port = doors.http_port if case.kind == "api" else doors.ws_port
    link = await Link.open(doors.host, port)
    try:
        match case.kind:
            case "handshake":
                wrong = await _handshake(doors, link, case, chance)
            case "api":
                wrong = await _api(doors, link, case, chance)
            case _:
                wrong = await _frames(doors, link, case, chance, number % len(doors.tokens))
        return wrong
    finally:
        await link.close()


def _count(doors: Doors, what: str) -> None:
    doors.codes[what] = doors.codes.get(what, 0) + 1


# ── handshakes ───────────────────────────────────────────────────────────────────────────────────


async def _handshake(doors: Doors, link: Link, case: Case, chance: random.Random) -> str | None:
    await link.send(mutate.cut(chance, case.raw) if len(case.raw) < 20_000 else [case.raw])
    if not _must_answer(case.raw):
        link.finish()
    try:
        answer = await link.answer(doors.patience_s)
    except ValueError as error:
        return str(error)
    if answer is None:
        if _must_answer(case.raw):
            return "no answer to a request that is whole, too large or no HTTP at all"
        return None if link.ended else "the connection stays open after its end"
    _count(doors, f"http {answer.status}")
    wrong = _of_answer(answer, HANDSHAKES)
    if answer.status == 408 and _must_answer(case.raw):
        wrong = "more of a request was waited for, where it is whole, too large or no HTTP at all"
    if wrong is None and not await link.until_end(doors.patience_s):
        wrong = f"the connection stays open after {answer.status}"
    return wrong


def _must_answer(raw: bytes) -> bool:
    whole = b"\r\n\r\n" in raw[:HEAD_MAX] or len(raw) >= HEAD_MAX
    return whole or (bool(raw) and not 0x41 <= raw[0] <= 0x5A)


def _of_answer(answer: Answer, statuses: frozenset[int]) -> str | None:
    if answer.status not in statuses:
        return f"status {answer.status}: {answer.body!r:.200}"
    if answer.status in (101, 200):
        return None
    try:
        error = json.loads(answer.body)["error"]
        return None if error["code"] and error["message"] else f"no reason: {answer.body!r:.200}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.status} without a code: {answer.body!r:.200}"


# ── frames and messages ──────────────────────────────────────────────────────────────────────────


async def _frames(
    doors: Doors, link: Link, case: Case, chance: random.Random, player: int
) -> str | None:
    format = format_of(case.dice)
    if (wrong := await _enter(doors, link, case, player)) is not None:
        return wrong
    mark = f"fz{secrets.token_hex(8)}z".encode()
    refresh = encode_client(from_client.Refresh(7, mark.decode()), format)
    opcode = frames.TEXT if format is Format.JSON else frames.BINARY
    await link.send(
        [frames.frame(chance, frames.PING, mark) + frames.frame(chance, opcode, refresh)]
    )
    await link.send(mutate.cut(chance, case.raw))
    expected = by_protocol(case.raw, payload_max=PAYLOAD_MAX)
    # The beginning of a last frame may be refused already; ours waits for the rest of it.
    if by_protocol(whole_frames(case.raw), payload_max=PAYLOAD_MAX).code is not None:
        if not await link.until_end(doors.patience_s):
            return f"still open, where RFC 6455 says {expected.code}"
    elif await link.more(QUIET_S):
        while await link.more(0.05):
            if len(link.heard) > 2**20:
                break
    alive = not link.ended
    if alive:
        link.finish()
        if not await link.until_end(doors.patience_s):
            return "the connection stays open after its end"
    return _of_end(doors, link, expected, alive) or _of_others(link, mark)


async def _enter(doors: Doors, link: Link, case: Case, player: int) -> str | None:
    """A good handshake, and for most a seat."""
    format = format_of(case.dice)
    headers = {
        "Host": "a",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Protocol": format.value,
        "Authorization": f"Bearer {doors.tokens[player]}",
    }
    await link.send([request("/v1/play", headers)])
    answer = await link.answer(doors.patience_s)
    if answer is None or answer.status != 101:
        return f"a good handshake was answered with {answer}"
    link.upgraded(format)
    if not await link.wait_for(to_client.Welcome, timeout_s=doors.patience_s):
        return "no Welcome"
    game = (None, *GAMES)[case.dice // 2 % 4]
    if game is not None:
        opcode = frames.TEXT if format is Format.JSON else frames.BINARY
        join = encode_client(from_client.Join(ref=1, game=game), format)
        await link.send([frames.frame(random.Random(case.dice), opcode, join)])
        if not await link.wait_for(to_client.Joined, to_client.Error, timeout_s=doors.patience_s):
            return f"neither Joined nor Error: {link.closed}"
    return None


def _of_end(doors: Doors, link: Link, expected: Seen, alive: bool) -> str | None:
    if (wrong := link.take_frames()) is not None:
        return wrong
    if link.closed is None:
        _count(doors, "open to the end" if alive else f"{link.ended} without a word")
        return None if alive else f"closed without a close frame ({link.ended})"
    code, reason = link.closed
    _count(doors, f"close {code}")
    if expected.code is not None and not expected.refused:
        return None  # The client had closed, and got its own code back.
    if code not in CODES or not reason:
        return f"closed with {code} {reason!r}"
    return None


def _of_others(link: Link, mark: bytes) -> str | None:
    """Whether something of another session came through this one."""
    for found in MARK.findall(bytes(link.heard)):
        if found != mark:
            return f"what another session sent has arrived here: {found!r}"
    return None


# ── the HTTP API ─────────────────────────────────────────────────────────────────────────────────

API = frozenset({200, 201, 202, 204, 303, 304, 400, 401, 403, 404, 405, 408, 409, 411, 413, 414,
                 415, 416, 417, 422, 429, 431, 501, 503, 505})  # fmt: skip


async def _api(doors: Doors, link: Link, case: Case, chance: random.Random) -> str | None:
    await link.send(mutate.cut(chance, case.raw) if len(case.raw) < 20_000 else [case.raw])
    answers = 0
    while True:
        try:
            answer = await link.answer(timeout_s=QUIET_S if answers else 4 * QUIET_S)
        except ValueError as error:
            return f"after {answers} answers {error}"
        if answer is None:
            break
        if answer.status == 100:
            continue
        answers += 1
        _count(doors, f"api {answer.status}")
        if (wrong := _of_api(answer)) is not None:
            return wrong
        if answers > 100:
            return "more answers than requests"
        if answer.headers.get("content-length") is None and answer.status not in (204, 304):
            break  # It ends with the connection, or is chunked.
    return None


def _of_api(answer: Answer) -> str | None:
    if answer.status not in API:
        return f"status {answer.status}: {answer.body!r:.200}"
    if answer.status < 400 or not answer.body:
        return None
    try:
        problem: Any = json.loads(answer.body)
        good = problem["code"] and problem["status"] == answer.status
    except (ValueError, KeyError, TypeError):
        return f"{answer.status} is no problem document: {answer.body!r:.200}"
    return None if good else f"{answer.status} without a code: {answer.body!r:.200}"
