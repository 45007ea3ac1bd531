"""What the players of one match say to each other.

    say ──limits──► moderator ──► the next commit ──► told, in order, to whom it is for

A line is told once it is committed, like a key event: so its number means the same under every
later owner, and nobody is told what a failover takes back. It is no key event, though: it goes to
some and not to others, and is gone with the match. Texts are in no log.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from gameserver.hot import Member
from gameserver.match.checkpoint import Kept, Line
from gameserver.match.services import Services
from gameserver.moderation import Allow, Refuse, Replace, Spoken
from gameserver.wire import from_client, to_client
from gameserver.wire.frame import Broadcast
from gameserver.wire.to_client import ErrorCode

if TYPE_CHECKING:
    from gameserver.match.runner import Runner

WAITING_MAX = 64
"""Lines of a match that are being judged or committed; more are refused."""


class _Asked(NamedTuple):
    member: Member
    ref: int
    text: str
    team: str | None


class _Refused(Exception):
    """Why a line is not said."""


class Chat:
    """``lines`` are the newest, as a new owner and who comes later get them."""

    def __init__(self, runner: Runner, kept: Kept, services: Services) -> None:
        self._runner = runner
        self._config = services.config
        self._services = services
        self._metrics = services.metrics
        self._loop = asyncio.get_running_loop()
        self._lines = deque(kept.lines, maxlen=services.config.chat_history_max)
        self._number = kept.line
        self._mutes = {player: list(muted) for player, muted in kept.mutes.items()}
        self._said_at: dict[str, deque[float]] = {}
        self._asked: deque[_Asked] = deque()
        self._judging: asyncio.Task[None] | None = None
        self._uncommitted: deque[tuple[int, Line]] = deque()

    @property
    def lines(self) -> list[Line]:
        return list(self._lines)

    @property
    def number(self) -> int:
        return self._number

    @property
    def mutes(self) -> dict[str, list[str]]:
        return self._mutes

    def stop(self) -> None:
        if self._judging is not None:
            self._judging.cancel()

    def left(self, player_id: str) -> None:
        """The player has no seat any more: nothing stored tells of them from now on."""
        self._lines = deque(
            (line for line in self._lines if line.player != player_id), maxlen=self._lines.maxlen
        )
        self._mutes.pop(player_id, None)
        self._said_at.pop(player_id, None)

    # ── saying ───────────────────────────────────────────────────────────────────────────────

    def say(self, member: Member, message: from_client.Chat) -> None:
        try:
            asked = self._checked(member, message)
        except _Refused as refused:
            self._metrics.chat_limited += 1
            self._refuse(member, message.ref, str(refused))
            return
        if not self._services.judge.is_needed:
            self._say(asked, asked.text)
            return
        self._asked.append(asked)
        if self._judging is None or self._judging.done():
            self._judging = self._loop.create_task(self._judge())

    def _checked(self, member: Member, message: from_client.Chat) -> _Asked:
        """Raises ``_Refused``."""
        runner, config = self._runner, self._config
        if not runner.game.chat:
            raise _Refused("there is no chat here")
        text = _cleaned(message.text)
        if not text:
            raise _Refused("there is nothing to read in it")
        if len(text) > config.chat_chars_max:
            raise _Refused(f"a line has at most {config.chat_chars_max} characters")
        team = None
        if message.team and (team := runner.team_of(member.player)) is None:
            raise _Refused("you have no team")
        if len(self._asked) + len(self._uncommitted) >= WAITING_MAX:
            raise _Refused("too much is being said; say it again")
        self._limit(member.player_id)
        return _Asked(member, message.ref, text, team)

    def _limit(self, player_id: str) -> None:
        said_at = self._said_at.get(player_id)
        if said_at is None:
            said_at = self._said_at[player_id] = deque(maxlen=self._config.chat_lines_max)
        now, window_ms = self._loop.time(), self._config.chat_window_ms
        if len(said_at) == said_at.maxlen and now < said_at[0] + window_ms / 1000:
            raise _Refused(f"at most {said_at.maxlen} lines in {window_ms / 1000:g} s")
        said_at.append(now)

    async def _judge(self) -> None:
        """One line after the other, so that they keep their order."""
        runner = self._runner
        while self._asked:
            asked = self._asked[0]
            member = asked.member
            verdict = await self._services.judge.judge(
                Spoken(
                    match=runner.match_id,
                    game=runner.game.name,
                    mode=runner.mode,
                    player=member.player_id,
                    name=member.player.name,
                    text=asked.text,
                    team=asked.team,
                )
            )
            self._asked.popleft()
            match verdict:
                case Allow():
                    self._say(asked, asked.text)
                case Replace():
                    text = _cleaned(verdict.text)[: self._config.chat_chars_max]
                    self._say(asked, text or "…")
                case Refuse():
                    self._refuse(member, asked.ref, verdict.reason)

    def _say(self, asked: _Asked, text: str) -> None:
        player = asked.member.player
        if self._runner.attendance.roster.find(player.id) is not asked.member:
            return  # Gone meanwhile.
        self._number += 1
        line = Line(
            self._number,
            player.seat,
            player.id,
            player.name,
            text,
            asked.team,
            self._services.clock.wall_ms(),
        )
        self._lines.append(line)
        self._metrics.chat_lines += 1
        self._uncommitted.append((self._runner.commits.keep(), line))

    def committed(self, version: int) -> None:
        """Everything up to ``version`` is durable."""
        while self._uncommitted and self._uncommitted[0][0] <= version:
            _, line = self._uncommitted.popleft()
            told = _broadcast(line)
            attendance = self._runner.attendance
            for member in attendance.roster:
                if member.subscriber is not None and self._is_for(line, member):
                    attendance.tell(member, told)

    def _is_for(self, line: Line, member: Member) -> bool:
        if line.player in self._mutes.get(member.player_id, ()):
            return False
        return line.team is None or line.team == self._runner.team_of(member.player)

    # ── hearing ──────────────────────────────────────────────────────────────────────────────

    def heard(self, member: Member) -> list[Broadcast]:
        """What a player who comes, or comes back, is told: the newest lines, and whom they mute."""
        told = self._uncommitted[0][1].number if self._uncommitted else self._number + 1
        missed = [
            _broadcast(line)
            for line in self._lines
            if line.number < told and self._is_for(line, member)
        ]
        if muted := self._mutes.get(member.player_id):
            missed.append(Broadcast(to_client.Muted(0, muted)))
        return missed

    def mute(self, member: Member, message: from_client.Mute) -> None:
        muted = self._mutes.setdefault(member.player_id, [])
        if not message.muted and message.player in muted:
            muted.remove(message.player)
        elif message.muted and message.player not in muted:
            if len(muted) >= self._config.chat_muted_max:
                most = f"at most {self._config.chat_muted_max} players can be muted"
                self._refuse(member, message.ref, most)
                return
            muted.append(message.player)
        self._runner.changed()
        answer = Broadcast(to_client.Muted(message.ref, list(muted)))
        self._runner.attendance.tell(member, answer)

    def _refuse(self, member: Member, ref: int, why: str) -> None:
        error = to_client.Error(ErrorCode.CHAT_REFUSED, why, ref)
        self._runner.attendance.tell(member, Broadcast(error))


def _broadcast(line: Line) -> Broadcast:
    return Broadcast(
        to_client.Said(
            line.number,
            line.seat,
            line.player,
            line.name,
            line.text,
            line.team is not None,
            line.at_ms,
        )
    )


def _cleaned(text: str) -> str:
    """Without what moves a cursor or turns the direction of writing."""
    kept = (" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    return "".join(char for char in kept if char not in _TURNS).strip()


_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
