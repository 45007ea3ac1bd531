"""What operators watch, in memory: figures, who is there, and letters with a quick worker."""

from __future__ import annotations

from gameserver.ids import MatchId, PlayerId
from gameserver.letters import LetterOrder, Ordered, OrderState, QueueSample, Verb
from gameserver.watching import Gathered, Sample, SeatOf, Seen


class MemoryFigures:
    """Implements ``watching.FigureStore``; ``failure`` is raised by every method."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.failure: Exception | None = None

    async def add(self, sample: Sample) -> None:
        self._check()
        if not self.samples or self.samples[-1].at_ms < sample.at_ms:
            self.samples.append(sample)

    async def since(self, after_ms: int) -> list[Sample]:
        self._check()
        return [one for one in self.samples if one.at_ms > after_ms]

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure


class MemoryPeople:
    """Implements ``watching.People`` over ``people``."""

    def __init__(self) -> None:
        seat = SeatOf(MatchId("m1"), "arena", "n1", True)
        self.people = [Seen(PlayerId("ann"), "Ann", ["n1"], [seat])]
        self.silent: list[str] = []

    async def find(self, text: str, *, limit: int) -> Gathered:
        found = [
            one
            for one in self.people
            if text.casefold() in one.name.casefold() or text.casefold() in one.player
        ]
        return Gathered(found[:limit], self.silent, len(found) > limit)

    async def get(self, player_id: PlayerId) -> Gathered:
        return Gathered([one for one in self.people if one.player == player_id], self.silent, False)


LETTER = {
    "place": "queue",
    "id": "l1",
    "reason": "rejected",
    "detail": "no such column",
    "sent_at_ms": 1,
    "receives": 1,
    "redrives": 0,
    "bytes": 120,
    "events": ["m1/1"],
    "matches": ["m1"],
    "games": ["arena"],
}


class MemoryLetters:
    """Implements ``letters.LetterDesk``. ``works``: whether there is a worker; ``failure``: what
    it fails by; ``refusal`` is raised by every method."""

    def __init__(self) -> None:
        self.works = True
        self.failure = ""
        self.refusal: Exception | None = None
        self.ordered: dict[str, Ordered] = {}
        self.queue: list[QueueSample] = []

    async def order(self, order_id: str, order: LetterOrder) -> None:
        self._check()
        state = OrderState.ASKED
        answer = None
        if self.failure:
            state = OrderState.FAILED
        elif self.works:
            state, answer = OrderState.DONE, self._answer(order)
        self.ordered.setdefault(
            order_id,
            Ordered(
                id=order_id,
                order=order,
                asked_ms=1,
                done_ms=2 if self.works else None,
                state=state,
                answer=answer,
                failure=self.failure,
            ),
        )

    async def outcome(self, order_id: str) -> Ordered | None:
        self._check()
        return self.ordered.get(order_id)

    async def orders(self, limit: int) -> list[Ordered]:
        self._check()
        looks = (Verb.LIST, Verb.SHOW)
        found = [one for one in self.ordered.values() if one.order.verb not in looks]
        return list(reversed(found))[:limit]

    async def samples(self, after_ms: int) -> list[QueueSample]:
        self._check()
        return [one for one in self.queue if one.at_ms > after_ms]

    def _answer(self, order: LetterOrder) -> dict[str, object]:
        match order.verb:
            case Verb.LIST:
                return {"letters": [LETTER]}
            case Verb.SHOW:
                known = order.letter == LETTER["id"]
                return {
                    "letter": LETTER if known else None,
                    "records": [{"id": "m1/1"}],
                    "text": "",
                }
            case _:
                return {"moved": [LETTER["id"]], "failed": []}

    def _check(self) -> None:
        if self.refusal is not None:
            raise self.refusal
