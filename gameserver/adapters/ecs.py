"""What ECS says of this task, and what this task asks of ECS.

    task metadata endpoint, version 4 ──DesiredStatus──► drain before SIGTERM comes
    matches with players ──► task protection endpoint: no scale-in, no deployment ends this task

Behind a load balancer ECS first takes a target out and lets the deregistration delay pass; SIGTERM
comes only then. Who waits for it starts to drain when new players have long gone elsewhere, so the
wish is looked at every few seconds. Both endpoints are the container agent's, on the task itself.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec

from gameserver.metrics import Metrics
from gameserver.ports import Entropy

logger = logging.getLogger(__name__)

STOPPED = "STOPPED"
PROTECTED_MIN = 15
"""How long one call protects, in minutes (ECS allows 1 to 2,880): a task that hangs is let go."""
RENEW_S = PROTECTED_MIN * 60 / 3
RETRY_S = 10.0
_ANSWER_BYTES_MAX = 1_000_000
_TIMEOUT = aiohttp.ClientTimeout(total=2.0)


class _Task(msgspec.Struct, rename="pascal"):
    desired_status: str = ""


class _Protection(msgspec.Struct, rename="pascal"):
    protection_enabled: bool


class _ProtectionAnswer(msgspec.Struct):
    protection: _Protection | None = None
    failure: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class EcsTask:
    """This process as a task of ECS. Every failure of the agent is a warning and a metric: the
    game goes on without it."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        metadata_uri: str,
        agent_uri: str,
        poll_s: float,
        entropy: Entropy,
        metrics: Metrics,
    ) -> None:
        self._http = http
        self._metadata_url = f"{metadata_uri}/task"
        self._protection_url = f"{agent_uri}/task-protection/v1/state"
        self._poll_s = poll_s
        self._entropy = entropy
        self._metrics = metrics
        self.protected = False
        """Whether the agent has confirmed the protection."""
        metrics.gauge("ecs_protected", "Scale-in protection", lambda: float(self.protected))

    # ── the wish to stop ─────────────────────────────────────────────────────────────────────

    async def stopping(self) -> None:
        """Return when ECS wants this task to stop."""
        while not await self._wants_stop():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(self._poll_s * (0.75 + self._entropy.jitter() / 2))

    async def _wants_stop(self) -> bool:
        try:
            async with self._http.get(self._metadata_url, timeout=_TIMEOUT) as response:
                body = await _body(response)
            task = msgspec.json.decode(body, type=_Task)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self._failed("the task metadata endpoint", error)
            return False
        return task.desired_status == STOPPED

    # ── protection ───────────────────────────────────────────────────────────────────────────

    async def protect(self, wanted: Callable[[], bool]) -> None:
        """Hold the protection while ``wanted()``, looked at every poll, until cancelled."""
        loop = asyncio.get_running_loop()
        due = 0.0
        while True:
            want = wanted()
            if want != self.protected or (want and loop.time() >= due):
                done = await self._set_protection(want)
                due = loop.time() + (RENEW_S if done else RETRY_S)
                if not done:
                    await asyncio.sleep(RETRY_S * (0.75 + self._entropy.jitter() / 2))
                    continue
            await asyncio.sleep(self._poll_s * (0.75 + self._entropy.jitter() / 2))

    async def release(self) -> None:
        """Give the protection up: the task is to end."""
        if self.protected:
            await self._set_protection(False)

    async def _set_protection(self, wanted: bool) -> bool:
        asked: dict[str, Any] = {"ProtectionEnabled": wanted}
        if wanted:
            asked["ExpiresInMinutes"] = PROTECTED_MIN
        try:
            async with self._http.put(
                self._protection_url, json=asked, timeout=_TIMEOUT
            ) as response:
                answer = msgspec.json.decode(await _body(response), type=_ProtectionAnswer)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self._failed("the task protection endpoint", error)
            return False
        if answer.protection is None:
            # A failure names the task (it belongs to no service, say); an error names the call.
            self._failed("the task protection endpoint", answer.failure or answer.error)
            return False
        self.protected = answer.protection.protection_enabled
        logger.info("scale-in protection", extra={"enabled": self.protected})
        return self.protected == wanted

    def _failed(self, what: str, error: object) -> None:
        self._metrics.ecs_errors += 1
        logger.warning("%s failed", what, extra={"error": str(error) or type(error).__name__})


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """At most ``_ANSWER_BYTES_MAX``; answers above 499 have none that could be read."""
    if response.status >= 500:
        raise ValueError(f"status {response.status}")
    body = await response.content.read(_ANSWER_BYTES_MAX)
    if not body:
        raise ValueError(f"status {response.status} and no body")
    return body
