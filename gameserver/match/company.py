"""The players of one match as a company: what they say to each other, and decide together.

Made only where a game asks for it; a match without one answers that there is nothing of the kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gameserver.hot import Member
from gameserver.match.chat import Chat
from gameserver.match.checkpoint import Checkpoint, Kept
from gameserver.match.play import FINISHED
from gameserver.match.services import Services, Watcher
from gameserver.match.votes import Votes
from gameserver.wire import from_client
from gameserver.wire.frame import Broadcast

if TYPE_CHECKING:
    from gameserver.match.runner import Runner


class Company:
    """For ``Runner``."""

    @classmethod
    def of(
        cls, runner: Runner, origin: Checkpoint, services: Services, watcher: Watcher
    ) -> Company | None:
        """``None`` where the game wants nothing of it."""
        mode = runner.game.modes.get(origin.mode)
        if mode is None or not (runner.game.chat or mode.pauses or mode.rematch_ms):
            return None
        return cls(runner, origin.company or Kept(), services, watcher)

    def __init__(self, runner: Runner, kept: Kept, services: Services, watcher: Watcher) -> None:
        self._runner = runner
        self.chat = Chat(runner, kept, services)
        self.votes = Votes(runner, kept, services, watcher=watcher)

    def kept(self) -> Kept | None:
        """For the checkpoint; ``None``: nothing to keep."""
        if self._runner.play.ended == FINISHED:
            self.votes.closing()
        chat, votes = self.chat, self.votes
        if not (chat.number or chat.mutes or votes.pauses or votes.rematch_until_ms):
            return None
        return Kept(
            lines=chat.lines,
            line=chat.number,
            mutes=chat.mutes,
            pauses=votes.pauses,
            pause_until_ms=votes.pause_until_ms,
            rematch_until_ms=votes.rematch_until_ms,
            yes=votes.yes,
            no=votes.no,
        )

    def said(self, member: Member, message: from_client.Word) -> None:
        """A player has sent it."""
        match message:
            case from_client.Chat():
                self.chat.say(member, message)
            case from_client.Mute():
                self.chat.mute(member, message)
            case from_client.Vote():
                self.votes.vote(member, message)
            case _:
                assert_never(message)

    def news(self, member: Member) -> list[Broadcast]:
        """What a player who comes, or comes back, is told."""
        return [*self.chat.heard(member), *self.votes.standing()]

    def left(self, player_id: str) -> None:
        """The player has no seat any more."""
        self.chat.left(player_id)
        self.votes.left(player_id)

    def stop(self) -> None:
        """The match is not played here any more."""
        self.chat.stop()
        self.votes.stop()
