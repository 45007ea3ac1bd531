"""Where the bots' tokens come from: a file, standard input, or a URL that issues them."""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from botswarm.settings import BOTS_MAX
from gameserver.errors import ConfigError

PER_REQUEST = 500
ANSWER_BYTES_MAX = 16 * 1_048_576
TIMEOUT_S = 30.0

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}")


class _Answer(msgspec.Struct):
    tokens: Annotated[list[str], Meta(max_length=BOTS_MAX)]


def load_tokens(source: str, count: int) -> list[str]:
    """``count`` tokens of ``source``: a path with one token a line, ``-`` for standard input, or
    an ``http(s)`` URL: ``POST URL?count=N`` answers ``{"tokens": [...]}``.

    Raises ``ConfigError`` if there are fewer, or something is not a token.
    """
    if source.startswith(("http://", "https://")):
        tokens = _from_url(source, count)
    elif source == "-":
        tokens = _from_lines(sys.stdin, "standard input", count)
    else:
        try:
            with Path(source).open(encoding="ascii") as file:
                tokens = _from_lines(file, source, count)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--tokens {source}: cannot be read ({error})") from error
    if len(tokens) < count:
        raise ConfigError(
            f"--tokens {source}: {len(tokens)} tokens for {count} bots; every bot is a player of "
            "its own, so give as many tokens or fewer --bots"
        )
    return tokens


def _from_lines(lines: Iterable[str], name: str, count: int) -> list[str]:
    tokens: list[str] = []
    for number, line in enumerate(lines, start=1):
        token = line.strip()
        if not token or token.startswith("#"):
            continue
        if not _TOKEN.fullmatch(token):
            raise ConfigError(f"--tokens {name}: line {number} is not a token")
        tokens.append(token)
        if len(tokens) == count:
            break
    return tokens


def _from_url(url: str, count: int) -> list[str]:
    tokens: list[str] = []
    while len(tokens) < count:
        more = _ask(url, min(PER_REQUEST, count - len(tokens)))
        if not more:
            break
        tokens += more
    return tokens[:count]


def _ask(url: str, count: int) -> list[str]:
    parts = urllib.parse.urlsplit(url)
    query = urllib.parse.urlencode([*urllib.parse.parse_qsl(parts.query), ("count", str(count))])
    request = urllib.request.Request(
        urllib.parse.urlunsplit(parts._replace(query=query)), method="POST", data=b""
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            answer = response.read(ANSWER_BYTES_MAX)
    except urllib.error.HTTPError as error:
        with error:
            raise ConfigError(f"--tokens {url}: answered {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--tokens {url}: cannot be reached ({error}); is the development stack running?"
        ) from error
    try:
        tokens = msgspec.json.decode(answer, type=_Answer).tokens
    except msgspec.DecodeError as error:
        raise ConfigError(f'--tokens {url}: expected {{"tokens": [...]}}, {error}') from error
    if any(not _TOKEN.fullmatch(token) for token in tokens):
        raise ConfigError(f"--tokens {url}: what it gave is not a token")
    return tokens
