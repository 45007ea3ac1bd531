"""What a node needs around it, for tests that start the programs themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gameserver.devstack.settings import on_free_ports
from gameserver.devstack.stack import DATABASE, DEAD_LETTERS, QUEUE, Stack
from gameserver.devstack.tokens import bot_name, bot_player

INFRASTRUCTURE = ("valkey", "postgres", "sqs", "moto")
OWN = ("GAMESERVER_", "WORKER_", "AWS_")


@contextmanager
def infrastructure(directory: Path) -> Iterator[Stack]:
    """A stack with everything but the project's own programs; nothing is migrated yet."""
    with Stack(on_free_ports(directory), fsync=False) as stack:
        for name in INFRASTRUCTURE:
            stack.service(name).begin()
        for name in INFRASTRUCTURE:
            stack.service(name).wait_ready()
        stack.postgres.ensure_database(DATABASE)
        stack.dead_letters_url = stack.sqs.create_queue(DEAD_LETTERS)
        stack.queue_url = stack.sqs.create_queue(QUEUE, dead_letters_to=DEAD_LETTERS)
        yield stack


def own_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """What a task definition would say, without the rest of the environment."""
    return {key: value for key, value in environ.items() if key.startswith(OWN)}


def tokens(stack: Stack, count: int) -> str:
    """A token a line for so many bots."""
    cognito = stack.moto.cognito()
    names = [(bot_player(index), bot_name(index)) for index in range(1, count + 1)]
    return "\n".join(cognito.token(player, username=name) for player, name in names)
