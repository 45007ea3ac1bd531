"""Calls with an Idempotency-Key are carried out once.

    first     claim ─► handler ─► succeeded: keep the answer │ failed: give the claim up
    again     kept for the same request: that answer         │ for another one: 422
              still claimed: 409 with Retry-After

Only what succeeded is kept: a call that failed made nothing, and is tried again for real. A claim
ends by itself after twice the time that a request may take, so a node that dies in the middle
leaves its caller waiting, not shut out. Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from gameserver.adapters import http_problem
from gameserver.adapters.http_problem import Problem, retry_after
from gameserver.errors import StoreUnavailable

logger = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
PATTERN = r'^("[A-Za-z0-9._:-]{1,64}"|[A-Za-z0-9._:-]{1,64})$'
"""A structured field's string, as the draft has it; without the quotes will do."""
ANSWER_BYTES_MAX = 65_536
"""A longer answer is not kept, only that there was one."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it was sent. ``body`` ``None``: it was too long to keep."""

    status: int
    headers: dict[str, str]
    body: bytes | None
    content_type: str


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What is stored under a key. ``answer`` ``None``: the call is under way."""

    digest: bytes
    answer: Answer | None = None


class AnswerStore(Protocol):
    """Answers by key; every method may raise ``StoreUnavailable``."""

    async def claim(self, key: str, kept: Kept, *, ttl_ms: int) -> Kept | None:
        """Store ``kept`` where nothing is stored; else what is."""

    async def keep(self, key: str, kept: Kept, *, ttl_ms: int) -> None:
        """Store ``kept`` for ``ttl_ms``, whatever is stored."""

    async def give_up(self, key: str) -> None:
        """Store nothing."""


class Idempotency:
    """``ttl_ms``: how long answers are kept; ``claim_ms``: how long a call may be under way."""

    def __init__(self, store: AnswerStore, *, ttl_ms: int, claim_ms: int) -> None:
        self._store = store
        self._ttl_ms = ttl_ms
        self._claim_ms = claim_ms

    async def once(
        self, *, given: str, scope: str, request: bytes, carry_out: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool]:
        """The answer to ``request``, and whether it is an earlier one. ``given``: the header;
        ``scope``: the caller and the endpoint, within which keys are compared. Raises ``Problem``
        400, 409 or 422, ``StoreUnavailable``, and what ``carry_out`` raises."""
        if not re.fullmatch(PATTERN.rstrip("$"), given):
            raise Problem(http_problem.BAD_IDEMPOTENCY_KEY)
        plain = given.strip('"')
        key = hashlib.sha256(f"{scope}\0{plain}".encode()).hexdigest()
        digest = hashlib.sha256(request).digest()
        found = await self._store.claim(key, Kept(digest), ttl_ms=self._claim_ms)
        if found is not None:
            return _earlier(found, digest), True
        try:
            answer = await carry_out()
        except BaseException:
            await self._give_up(key)
            raise
        await self._keep(key, Kept(digest, _bounded(answer)))
        return answer, False

    async def _keep(self, key: str, kept: Kept) -> None:
        try:
            await self._store.keep(key, kept, ttl_ms=self._ttl_ms)
        except StoreUnavailable:
            # It is done, so it is told; who asks again within the claim's time gets 409.
            logger.warning("an answer could not be kept")

    async def _give_up(self, key: str) -> None:
        try:
            await self._store.give_up(key)
        except StoreUnavailable:
            logger.warning("a claim could not be given up")


def _earlier(found: Kept, digest: bytes) -> Answer:
    if found.digest != digest:
        raise Problem(http_problem.IDEMPOTENCY_KEY_REUSED)
    if found.answer is None:
        raise Problem(http_problem.REQUEST_IN_PROGRESS, headers=retry_after(1))
    if found.answer.body is None:
        raise Problem(http_problem.ANSWER_NOT_KEPT)
    return found.answer


def _bounded(answer: Answer) -> Answer:
    if answer.body is None or len(answer.body) <= ANSWER_BYTES_MAX:
        return answer
    return msgspec.structs.replace(answer, body=None)
