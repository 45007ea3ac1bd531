"""What deploy/compose needs beside the stand-ins themselves.

    python -m gameserver.devstack.containers queues http://sqs:9324
    python -m gameserver.devstack.containers swarm http://moto:5000 --url ws://server:8080 --bots 50

The first makes the queues, the second runs a swarm with tokens of the stand-in's user pool.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gameserver.devstack.moto import Moto
from gameserver.devstack.process import DevstackError
from gameserver.devstack.sqs import SqsEndpoint
from gameserver.devstack.stack import DEAD_LETTERS, QUEUE
from gameserver.devstack.tokens import bot_name, bot_player

BOTS = 50
_NOWHERE = Path()


def make_queues(endpoint_url: str) -> None:
    """The queue of key events and that of its dead letters; those that are there stay."""
    sqs = SqsEndpoint(port=0, data=_NOWHERE, log=_NOWHERE)
    sqs.endpoint_url = endpoint_url
    sqs.create_queue(DEAD_LETTERS)
    sqs.create_queue(QUEUE, dead_letters_to=DEAD_LETTERS, receives_max=10)


def tokens(endpoint_url: str, count: int) -> list[str]:
    """One for each of so many bots. Raises ``DevstackError`` where moto does not answer."""
    moto = Moto(port=0, data=_NOWHERE, log=_NOWHERE)
    moto.endpoint_url = endpoint_url
    if not moto.ready():
        raise DevstackError(f"{endpoint_url} does not say who may play.")
    cognito = moto.cognito()
    return [
        cognito.token(bot_player(index), username=bot_name(index)) for index in range(1, count + 1)
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: that of the swarm, or 2 for wrong usage."""
    match list(sys.argv[1:] if argv is None else argv):
        case ["queues", endpoint_url]:
            make_queues(endpoint_url)
            return 0
        case ["swarm", endpoint_url, *options]:
            count = int(options[options.index("--bots") + 1]) if "--bots" in options else BOTS
            words = [sys.executable, "-m", "botswarm", "--tokens", "-", "--bots", str(count)]
            text = "\n".join(tokens(endpoint_url, count))
            return subprocess.run([*words, *options], input=text, text=True, check=False).returncode
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
