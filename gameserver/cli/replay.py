"""``python -m gameserver replay MATCH``: play a recorded match again and compare its digests.

chunk   epoch          ticks        inputs  joins  leaves  digest
1       1760000000123  0–21         160     8      0       equal  5f0c…
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.kms import Kms
from gameserver.adapters.recordings import PostgresRecordings
from gameserver.adapters.sealing import opened_piece
from gameserver.adapters.wall_clock import SystemEntropy
from gameserver.config import Config, read
from gameserver.game.contract import AnyGame
from gameserver.game.loader import load_games
from gameserver.metrics import Metrics
from gameserver.replay.player import Checked, Replay, Stepped
from gameserver.replay.recording import Recording, read_lines, write_lines
from gameserver.wire import to_client
from gameserver.wire.envelope import blob_key
from gameserver.wire.event_record import MATCH_ENDED, Chunk
from gameserver.wire.frame import Broadcast
from gameserver.wire.recording import BadRecording

EXIT_EQUAL, EXIT_DIFFERS, EXIT_USAGE = 0, 1, 2
_GAME = "NAME|MODULE:CLASS"
_DIGEST_CHARS = 12


class Outcome(msgspec.Struct, kw_only=True):
    """What a replay came to. ``view``: what everyone sees at ``until``, where that was asked for;
    ``problem``: the first thing that is wrong, ``None`` where all is as it was."""

    match: str
    game: str
    mode: str
    version: int
    versions: list[int]
    ticks: int
    ended: str | None
    result: Any
    view: Any
    problem: str | None
    chunks: list[Checked]


def add_to(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb."""
    meaning = "play a recorded match again and compare its digests; exit code 1 if they differ"
    verb = verbs.add_parser("replay", help=meaning, description=meaning)
    verb.add_argument("match", nargs="?", metavar="MATCH", help="its id; not with --from-file")
    verb.add_argument("--from-file", metavar="FILE", help="as --export wrote it; default: ask "
                      "the PostgreSQL of GAMESERVER_RECORDINGS_DSN")  # fmt: skip
    verb.add_argument("--export", metavar="FILE", help="write the recording into a file as well, "
                      "as it is stored")  # fmt: skip
    verb.add_argument(
        "--until", type=_tick, metavar="TICK", help="play only so far, and show the view there"
    )
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.add_argument(
        "--game",
        action="append",
        metavar=_GAME,
        help="look for the match's game here instead of in GAMESERVER_GAMES",
    )
    verb.set_defaults(command=_command)


def _tick(text: str) -> int:
    if not text.isdecimal() or len(text) > 12:
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a tick")
    return int(text)


def _command(arguments: argparse.Namespace) -> int:
    """Raises ``ConfigError``, ``RecordingsUnavailable``, or ``KeysUnavailable``."""
    config = read(os.environ)
    if bool(arguments.match) == bool(arguments.from_file):
        return _fail("name a match, or a file by --from-file", EXIT_USAGE)
    try:
        recording = _load(arguments, config)
        game = load_games(arguments.game or config.games).get(recording.game)
        if game is None:
            return _fail(
                f"the match is one of {recording.game!r}: name that game by --game", EXIT_USAGE
            )
        outcome = _play(recording, game, until=arguments.until)
    except BadRecording as error:
        return _fail(str(error), EXIT_DIFFERS)
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(outcome, str_keys=True), ensure_ascii=False))
    else:
        print("\n".join(_told(outcome)))
    return EXIT_EQUAL if outcome.problem is None else EXIT_DIFFERS


def _load(arguments: argparse.Namespace, config: Config) -> Recording:
    if arguments.from_file:
        with open(arguments.from_file, "rb") as file:
            stored: Sequence[Chunk] = list(read_lines(file))
    else:
        recordings = PostgresRecordings(config.recordings_dsn, bytes_max=config.replay_bytes_max)
        stored = asyncio.run(recordings.pieces(arguments.match))
        if not stored:
            raise BadRecording(f"nothing is stored of a recording of {arguments.match!r}")
    if arguments.export:
        with open(arguments.export, "wb") as file:
            file.writelines(write_lines(stored))
    return Recording(asyncio.run(_opened(stored, config)))


async def _opened(stored: Sequence[Chunk], config: Config) -> list[Chunk]:
    """With the bodies open. KMS is asked only where one is sealed. Raises ``KeysUnavailable``."""
    if all(blob_key(chunk.body) is None for chunk in stored):
        return list(stored)
    metrics = Metrics()
    async with Kms(config, metrics=metrics) as kms:
        keys = DataKeys.of(kms, config, entropy=SystemEntropy(), metrics=metrics)
        return [await opened_piece(chunk, keys) for chunk in stored]


def _play(recording: Recording, game: AnyGame, *, until: int | None) -> Outcome:
    replay = Replay(recording, game)
    outcome = Outcome(
        match=recording.match,
        game=recording.game,
        mode=recording.mode,
        version=game.version,
        versions=sorted({one.last.version for one in recording.sections}),
        ticks=0,
        ended=None,
        result=None,
        view=None,
        problem=None,
        chunks=[],
    )
    reached = until == 0
    if not reached:
        for moment in replay.run():
            told = replay.told() if isinstance(moment, Checked) else moment.told
            outcome.result = _result(told) or outcome.result
            if isinstance(moment, Checked):
                outcome.chunks.append(moment)
                outcome.problem = moment.problem
            elif isinstance(moment, Stepped) and replay.tick == until:
                reached = True
                break
    outcome.ticks, outcome.ended = replay.tick, replay.play.ended
    if until is not None and reached:
        outcome.view = msgspec.to_builtins(game.view(replay.state), str_keys=True)
    elif outcome.problem is None and recording.missing is not None:
        outcome.problem = f"chunk {recording.missing} is missing: the rest cannot be played"
    return outcome


def _result(told: Sequence[Broadcast]) -> Any:
    """How the match ended, if that is among what was told."""
    for one in told:
        message = one.message
        if isinstance(message, to_client.Event) and message.kind == MATCH_ENDED:
            return one.data
    return None


def _told(outcome: Outcome) -> list[str]:
    lines = [f"match {outcome.match}: {outcome.game}, mode {outcome.mode}"]
    others = [version for version in outcome.versions if version != outcome.version]
    if others:
        played = ", ".join(map(str, others))
        lines.append(
            f"Its rules had version {played}; here they have {outcome.version}. "
            "It may go on differently, and that would be no defect."
        )
    lines.append("")
    lines += _table(outcome.chunks)
    lines.append("")
    if outcome.view is not None:
        lines.append(f"at tick {outcome.ticks} everyone sees")
        lines.append(json.dumps(outcome.view, ensure_ascii=False))
    elif outcome.ended is None:
        lines.append(f"{outcome.ticks} ticks; no end is recorded")
    else:
        lines.append(f"{outcome.ticks} ticks; ended: {outcome.ended}")
    for place in (outcome.result or {}).get("standings", ()):
        lines.append(f"  {place['place']}. {place['player']}  {place['score']:g}")
    equal = sum(one.problem is None for one in outcome.chunks)
    if outcome.problem is None:
        lines.append(f"all {equal} chunks have the digests that they had")
    else:
        lines.append(f"{equal} chunks are equal; then, {outcome.problem}")
    return lines


def _table(chunks: Sequence[Checked]) -> list[str]:
    head = ("chunk", "epoch", "ticks", "inputs", "joins", "leaves", "digest")
    rows = [head, *map(_row, chunks)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(one: Checked) -> tuple[str, ...]:
    said = "equal" if one.problem is None else "DIFFERS"
    if one.recorded:
        said += f"  {one.recorded[:_DIGEST_CHARS]}"
        if one.problem is not None:
            said += f" ≠ {one.computed[:_DIGEST_CHARS]}"
    if one.revived:
        said += "  (another owner went on)"
    return (
        str(one.chunk),
        str(one.epoch),
        f"{one.first_tick}–{one.end_tick}",
        str(one.inputs),
        str(one.joins),
        str(one.leaves),
        said,
    )


def _fail(message: str, code: int) -> int:
    print(f"gameserver: {message}", file=sys.stderr)
    return code
