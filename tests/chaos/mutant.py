"""The server with a defect in one of its scripts, to see whether the judge finds it:
``python -m tests.chaos --mutation twice``. It runs as ``python -m tests.chaos.mutant twice``, and
behind that the module of the server and its arguments."""

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
    # A ticket that is matched waits on, so that it is matched again.
    "twice": Mutation(
        "mm_settle",
        "if what == 'matched' then",
        "if what == 'matched' then\n"
        "local ticket = string.sub(held, #proposal + 2)\n"
        "redis.call('HSET', waiting, id, ticket)\n"
        "redis.call('XADD', changes, 'MAXLEN', '~', 100000, '*', '+', ticket)\n",
    ),
    # Who takes a queue over, because its master is gone, forgets what that one had under way.
    "lost": Mutation(
        "mm_lead",
        "redis.call('HSET', KEYS[1],",
        "redis.call('DEL', (string.gsub(KEYS[1], 'f$', 'b')), (string.gsub(KEYS[1], 'f$', 'p')))\n"
        "redis.call('HSET', KEYS[1],",
    ),
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
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
