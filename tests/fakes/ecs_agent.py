"""A stand-in for the ECS container agent: the two endpoints of it that a task may call.

Shapes of requests and answers are those of the AWS pages named in ``gameserver/adapters/ecs.py``.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

TASK_ARN = "arn:aws:ecs:eu-central-1:123456789012:task/games/0123456789abcdef0123456789abcdef"


class EcsAgent:
    """``async with EcsAgent() as agent``: serves on a free port of the loopback."""

    def __init__(self) -> None:
        self.desired_status = "RUNNING"
        self.protected = False
        self.asked: list[dict[str, Any]] = []
        """Bodies of the calls that changed the protection."""
        self.polls = 0
        self.down = False
        self.answer: tuple[int, Any] | None = None
        """What the protection endpoint answers instead."""
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> EcsAgent:
        app = web.Application()
        app.router.add_get("/v4/abc/task", self._task)
        app.router.add_put("/api/abc/task-protection/v1/state", self._protect)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def metadata_uri(self) -> str:
        """As in ``ECS_CONTAINER_METADATA_URI_V4``."""
        return f"{self.url}/v4/abc"

    @property
    def agent_uri(self) -> str:
        """As in ``ECS_AGENT_URI``."""
        return f"{self.url}/api/abc"

    async def _task(self, request: web.Request) -> web.Response:
        self.polls += 1
        if self.down:
            return web.Response(status=500)
        return web.json_response(
            {
                "Cluster": "games",
                "TaskARN": TASK_ARN,
                "Family": "gameserver",
                "Revision": "7",
                "DesiredStatus": self.desired_status,
                "KnownStatus": "RUNNING",
                "LaunchType": "FARGATE",
                "Containers": [{"Name": "gameserver", "DesiredStatus": "RUNNING"}],
            }
        )

    async def _protect(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.asked.append(asked)
        if self.answer is not None:
            status, body = self.answer
            return web.json_response(body, status=status)
        if self.down:
            return web.Response(status=500)
        assert isinstance(asked["ProtectionEnabled"], bool)
        if "ExpiresInMinutes" in asked:
            assert 1 <= asked["ExpiresInMinutes"] <= 2880
        self.protected = asked["ProtectionEnabled"]
        answer = {"ProtectionEnabled": self.protected, "TaskArn": TASK_ARN}
        if self.protected:
            answer["ExpirationDate"] = "2026-11-24T12:00:00Z"
        return web.json_response({"protection": answer})
