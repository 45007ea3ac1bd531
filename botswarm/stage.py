"""Does to the bots of a process what its scenario says, at its time. Idle bots cost nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec

from botswarm.client import Bot
from botswarm.happening import (
    BotStep,
    Happening,
    ReadSlowly,
    Reconnect,
    Rejoin,
    SendMalformed,
    chosen,
)
from botswarm.settings import Settings
from botswarm.wheel import Timer, Wheel
from gameserver.wire import from_client
from gameserver.wire.codec import Format, encode_client

NESTED = 2_000
NOISE_BYTES = 48


def direct(
    bots: Sequence[Bot], numbers: list[int], *, settings: Settings, wheel: Wheel, now: float
) -> None:
    """Set the timers of all steps, counted from ``now``."""
    for step in settings.happenings:
        if isinstance(step, BotStep):
            for index, at_s in chosen(step, numbers, bots=settings.bots):
                act = _act(step, bots[index], number=numbers[index], settings=settings, wheel=wheel)
                wheel.set(Timer(act), now + at_s)


def _act(
    step: Happening, bot: Bot, *, number: int, settings: Settings, wheel: Wheel
) -> Callable[[float], None]:
    def cut(now: float) -> None:
        if (playing := bot.at_play()) is not None:
            playing.connection.abort()

    def rejoin(now: float) -> None:
        if (playing := bot.at_play()) is not None:
            playing.connection.send(encode_client(from_client.Leave(0), settings.format))

    def stop_reading(now: float) -> None:
        if (playing := bot.at_play()) is None:
            return
        assert isinstance(step, ReadSlowly)

        def go_on(now: float) -> None:
            same = bot.at_play()
            if same is not None and same.play is playing.play:
                playing.play.reads(True, now)
                playing.pinger.go_on(now)

        playing.pinger.hold()
        playing.play.reads(False, now)
        wheel.set(Timer(go_on), now + step.for_s)

    def send_malformed(now: float) -> None:
        assert isinstance(step, SendMalformed)
        chance = random.Random(f"malformed/{settings.seed}/{number}")
        kinds = malformed(settings.format, chance)
        for index in range(step.messages):
            if (playing := bot.at_play()) is not None:
                playing.connection.send(kinds[(number + index) % len(kinds)])

    match step:
        case Reconnect():
            return cut
        case Rejoin():
            return rejoin
        case ReadSlowly():
            return stop_reading
        case SendMalformed():
            return send_malformed
        case _:
            raise ValueError(f"{step} does not befall bots")


def malformed(format: Format, chance: random.Random) -> list[bytes]:
    """Messages of every kind of wrong: nothing, noise, cut off, unknown, of a wrong type, nested
    too deeply."""
    join = encode_client(from_client.Join(1, "arena", "", "", None), format)
    if format is Format.JSON:
        noise = chance.randbytes(NOISE_BYTES).hex().encode()
        return [b"", noise, join[: len(join) // 2], b'["nothing_known", 1]', b"17", b"[" * NESTED]
    encode = msgspec.msgpack.encode
    return [
        b"",
        b"\xc1" + chance.randbytes(NOISE_BYTES),
        join[: len(join) // 2],
        encode(["nothing_known", 1]),
        encode({"seq": "x"}),
        b"\x91" * NESTED,
    ]
