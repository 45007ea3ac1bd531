"""Questions between nodes by topic: answers, refusals, silence, and news for all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from gameserver.cluster import calls, messages
from gameserver.cluster.calls import Calls
from gameserver.errors import StoreUnavailable, Unavailable
from tests.match.house import in_virtual_time


class Wire:
    """Between the calls of two nodes, or of one and nobody."""

    def __init__(self) -> None:
        self.ends: dict[str, Calls] = {}
        self.tasks: list[asyncio.Task[None]] = []

    def add(self, name: str) -> Calls:
        def send(node: str, message: messages.Message) -> None:
            end = self.ends.get(node)
            if end is not None:
                asyncio.get_running_loop().call_soon(end.received, name, message)

        self.ends[name] = Calls(
            node=name, send=send, peers=lambda: set(self.ends) - {name}, spawn=self.spawn
        )
        return self.ends[name]

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))


async def echo(body: bytes) -> bytes:
    await asyncio.sleep(0.01)
    return b"<" + body + b">"


async def broken(body: bytes) -> bytes:
    raise StoreUnavailable("no store")


@in_virtual_time
async def test_another_node_and_this_one_answer() -> None:
    wire = Wire()
    one, two = wire.add("n1"), wire.add("n2")
    two.serve("echo", echo)
    one.serve("echo", echo)
    answers = await asyncio.gather(*(one.call("n2", "echo", b"%d" % n) for n in range(20)))
    assert answers == [b"<%d>" % n for n in range(20)]
    assert await one.call("n1", "echo", b"own") == b"<own>"


@in_virtual_time
async def test_why_there_is_no_answer() -> None:
    wire = Wire()
    one, two = wire.add("n1"), wire.add("n2")
    two.serve("broken", broken)
    with pytest.raises(Unavailable, match="no store"):
        await one.call("n2", "broken", b"")
    with pytest.raises(Unavailable, match="nobody answers about nothing"):
        await one.call("n2", "nothing", b"")
    with pytest.raises(Unavailable, match="n3 has not answered"):
        await one.call("n3", "echo", b"")
    assert one._open == {}


@in_virtual_time
async def test_questions_are_bounded_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "QUESTIONS_MAX", 3)
    wire = Wire()
    one, two, three = wire.add("n1"), wire.add("n2"), wire.add("n3")
    two.serve("echo", echo)
    asked = [one.call("n2", "echo", b"") for _ in range(4)]
    asked += [three.call("n2", "echo", b"") for _ in range(3)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, bytes) for each in found) == 3
    assert {str(each) for each in found if not isinstance(each, bytes)} == {
        "too many questions to other nodes are open",
        "n2: busy",
    }
    assert await one.call("n2", "echo", b"") == b"<>", "and then there is room again"


@in_virtual_time
async def test_an_answer_of_another_node_does_not_count() -> None:
    wire = Wire()
    one = wire.add("n1")
    asking = asyncio.ensure_future(one.call("n2", "echo", b""))
    await asyncio.sleep(0)
    one.received("n3", messages.Reply(1, "", b"false"))
    one.received("n2", messages.Reply(1, "", b"true"))
    one.received("n2", messages.Reply(1, "", b"again"))
    assert await asking == b"true"


@in_virtual_time
async def test_news_reach_every_node_that_listens() -> None:
    wire = Wire()
    heard: list[tuple[str, bytes]] = []

    def listener(name: str) -> Any:
        async def hear(body: bytes) -> bytes:
            heard.append((name, body))
            return b""

        return hear

    for name in ("n1", "n2", "n3"):
        wire.add(name)
        if name != "n3":
            wire.ends[name].serve("news", listener(name))
    wire.ends["n1"].tell_all("news", b"!")
    await asyncio.sleep(0.1)
    assert sorted(heard) == [("n1", b"!"), ("n2", b"!")]
