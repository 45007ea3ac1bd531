"""The page's own codec and delta against the server's."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.async_api import Page

from gameserver.game.random import SeededRandom
from gameserver.games.arena import Arena
from gameserver.games.bots import ArenaBot
from gameserver.ids import PlayerId
from gameserver.wire import from_client
from gameserver.wire.codec import Format, decoder_for
from gameserver.wire.frame import Frame
from tests.browser.room import Room
from tests.browser.stage import Stage

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

VECTORS = Path(__file__).resolve().parents[1] / "wire" / "vectors" / "messages.json"

VALUES: list[Any] = [
    None,
    True,
    False,
    *(0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 1_800_000_000_000, 2**53 - 1),
    *(-1, -32, -33, -128, -129, -32_768, -32_769, -(2**31), -(2**31) - 1, -(2**53) + 1),
    *(0.5, -1.25, 1e300, 3.141592653589793),
    *("", "a", "x" * 31, "x" * 32, "ä€😀", "y" * 255, "y" * 256, "z" * 65_536),
    [],
    list(range(15)),
    list(range(16)),
    [0] * 65_536,
    {},
    {"a": {"b": [1, {"c": None}]}},
    {f"k{i}": i for i in range(16)},
    {"__proto__": 1, "constructor": 2},
]


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


async def test_values_survive_both_ways(page: Page) -> None:
    packed = [_b64(msgspec.msgpack.encode(value)) for value in VALUES]
    back = await page.evaluate(
        """async (packed) => {
          const { decode, encode } = await import("/sdk/index.js");
          const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          const text = (raw) => {
            let made = "";
            for (let i = 0; i < raw.length; i += 8192) {
              made += String.fromCharCode(...raw.subarray(i, i + 8192));
            }
            return btoa(made);
          };
          return packed.map((each) => text(encode(decode(bytes(each)))));
        }""",
        packed,
    )
    # msgspec, too, writes every value in its shortest form, so the very bytes come back.
    assert back == packed


async def test_damaged_messages_are_refused(page: Page) -> None:
    refused = await page.evaluate(
        """async () => {
          const { decode } = await import("/sdk/index.js");
          const bad = [[], [0xc1], [0x92, 1], [0xdd, 255, 255, 255, 255], [1, 1], [0xa1, 0xff],
                       Array(70).fill(0x91).concat([1]), [0xd4, 0, 0]];
          return bad.map((each) => {
            try { decode(new Uint8Array(each)); return false; } catch { return true; }
          });
        }"""
    )
    assert all(refused)


async def test_client_messages_are_understood(page: Page) -> None:
    packed = await page.evaluate(
        """async () => {
          const { encode } = await import("/sdk/index.js");
          const messages = [
            [1, 7, "arena", "standard", "", null], [1, 8, "arena", "", "abc", [1800000000000, 3]],
            [2, 1, [-1, 1, 65535, true]], [3, 9], [4, 1234.5], [4, 1234], [5, 10, "a.b.c"],
          ];
          return messages.map((each) => btoa(String.fromCharCode(...encode(each))));
        }"""
    )
    decode = decoder_for(Arena(), Format.MSGPACK).decode
    joined, resumed, given, left, pinged, whole, refreshed = (
        decode(base64.b64decode(each)) for each in packed
    )
    assert joined == from_client.Join(7, "arena", "standard")
    assert resumed == from_client.Join(
        8, "arena", "", "abc", from_client.Resume(1_800_000_000_000, 3)
    )
    assert isinstance(given, from_client.Input)
    assert given.data == Arena.Input(-1, 1, 65_535, True)
    assert (left, pinged, whole) == (
        from_client.Leave(9),
        from_client.Ping(1234.5),
        from_client.Ping(1234),
    )
    assert refreshed == from_client.Refresh(10, "a.b.c")


class _Deaf:
    line = None

    def frame(self, frame: Frame) -> None: ...
    def announce(self, message: Any) -> None: ...
    def left(self, reason: str) -> None: ...

    def polled(self, polled: bool) -> None: ...


def _payload(frame: bytes) -> bytes:
    length = frame[1]
    return frame[2 if length < 126 else 4 if length == 126 else 10 :]


async def test_deltas_of_a_whole_match_give_the_views_of_the_server(
    page: Page, stage: Stage
) -> None:
    room = Room(Arena(), "quick")
    bots = {}
    for index in range(6):
        identity = await stage.verifier.verify(stage.cognito.token(f"p{index}"))
        seated = room.take(from_client.Join(), identity, _Deaf())
        bots[index] = (ArenaBot(index), seated.handle, identity.player_id)
    base: Frame | None = None
    payloads, views = [], []
    random = SeededRandom(3)
    while not room.over and len(payloads) < 300:
        view = room.game.view(room.state)
        for seat, (bot, handle, player) in bots.items():
            move = bot.decide(view, PlayerId(player), seat)
            if move is not None:
                handle.input(room.tick + 1, move)
        room.step()
        if random.below(5) == 0:
            continue  # a frame that was replaced before it was written
        assert room.last is not None
        payloads.append(_b64(_payload(room.last.encoded(Format.MSGPACK, base))))
        views.append(msgspec.json.decode(msgspec.json.encode(room.game.view(room.state))))
        base = room.last
    assert len(payloads) > 100
    found = await page.evaluate(
        """async (payloads) => {
          const { decode } = await import("/sdk/index.js");
          const { applyDelta } = await import("/sdk/index.js");
          let view = null;
          return payloads.map((each) => {
            const bytes = Uint8Array.from(atob(each), (c) => c.charCodeAt(0));
            const [type, , , , , ...rest] = decode(bytes);
            view = type === 3 ? rest[0] : applyDelta(view, ...rest.slice(1));
            return JSON.parse(JSON.stringify(view));
          });
        }""",
        payloads,
    )
    assert found == views


async def test_published_vectors(page: Page) -> None:
    vectors = [
        vector
        for vector in msgspec.json.decode(VECTORS.read_bytes())
        if vector["format"] == "gameserver.v1.msgpack"
    ]
    assert len(vectors) > 10
    back = await page.evaluate(
        """async (vectors) => {
          const { decode, encode } = await import("/sdk/index.js");
          return vectors.map(({ hex }) => {
            const bytes = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
            const again = Array.from(encode(decode(bytes)));
            return again.map((byte) => byte.toString(16).padStart(2, "0")).join("");
          });
        }""",
        vectors,
    )
    for vector, again in zip(vectors, back, strict=True):
        # JavaScript has one kind of number, so 250.0 goes out as 250: equal, but other bytes.
        expected = msgspec.msgpack.decode(bytes.fromhex(vector["hex"]))
        assert msgspec.msgpack.decode(bytes.fromhex(again)) == expected, vector["name"]
