"""The server with a defect in one of its scripts, to see whether the judge finds it:
``python -m tests.chaos --mutation twice``."""

from __future__ import annotations

import runpy
import sys
from hashlib import sha1
from typing import NamedTuple

from gameserver.adapters.redis_script import Script


class Mutation(NamedTuple):
    """``text`` of the script becomes ``instead``."""

    script: str
    text: str
    instead: str


MUTATIONS = {
    # A ticket that is claimed waits on: the next master of its queue claims it again.
    "twice": Mutation("mm_claim", "redis.call('HDEL', waiting, unpack(ids))", ""),
    # A ticket that is claimed is nowhere: it is lost if the master is before its match is open.
    "lost": Mutation("mm_claim", "redis.call('HSET', busy, unpack(moved))", ""),
}


def mutated(mutation: Mutation, text: str) -> str:
    """The script with its defect. Raises ``ValueError`` where it has changed meanwhile."""
    if text.count(mutation.text) != 1:
        raise ValueError(f"{mutation.script} has changed: {mutation.text!r} is not in it once")
    return text.replace(mutation.text, mutation.instead)


def apply(mutation: Mutation) -> None:
    """From now on the script is defect."""
    begin = Script.__init__

    def broken(self: Script, name: str) -> None:
        begin(self, name)
        if name == mutation.script:
            self._text = mutated(mutation, self._text)
            self._sha = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    Script.__init__ = broken  # type: ignore[method-assign]


if __name__ == "__main__":
    apply(MUTATIONS[sys.argv.pop(1)])
    runpy.run_module("gameserver.devstack.node", run_name="__main__", alter_sys=True)
