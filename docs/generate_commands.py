"""Write docs/reference/commands.md from the parsers: `python -m docs.generate_commands`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import gameserver.__main__ as server
import persistence_worker.__main__ as worker
import playerdata.__main__ as playerdata
from botswarm import cli as botswarm
from persistence_worker.cli_dlq import _whoami

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "commands.md"

HEAD = """# Command line

Every program says the same with `--help`. Each is installed as a command, and can be run as a
module without: `python -m gameserver`, `python -m botswarm`, `python -m persistence_worker`,
`python -m playerdata`. Exit codes: 0 done, 1 failed, 2 wrong settings or usage; where a program has
others, they stand there. Settings are environment variables: [configuration](../configuration.md),
[the worker](../worker.md).
"""
MAKE = """
## make

What works in the directory of the repository; what a verb needs it sets up.

| verb | does |
|---|---|
"""
_VERB = re.compile(r"^(?P<verb>[a-z-]+):.*## (?P<meaning>.+)$", re.MULTILINE)
_CODES = re.compile(r"exit codes: .+?(?=\n\n|\Z)", re.DOTALL)


def render() -> str:
    """The page."""
    parts = [HEAD, MAKE]
    parts += [
        f"| `make {found['verb']}` | {_cell(found['meaning'])} |\n"
        for found in _VERB.finditer((ROOT / "Makefile").read_text())
    ]
    programs = (
        (server.parser(), []),
        (botswarm.run_parser(), [botswarm.check_parser(), botswarm.compare_parser()]),
        (worker.parser(), []),
        (playerdata.parser(), []),
    )
    for program, verbs in programs:
        parts += _program(program, "##")
        for verb in verbs:
            parts += _program(verb, "###")
    return "".join(parts)


def _program(parser: argparse.ArgumentParser, level: str) -> Iterator[str]:
    yield f"\n{level} {parser.prog}\n"
    if parser.description:
        yield f"\n{_sentence(parser.description)}\n"
    if codes := _CODES.search(parser.epilog or ""):
        yield f"\n{_sentence(codes[0])}\n"
    rows = [row for action in parser._actions if (row := _row(parser, action))]
    if rows:
        yield "\n| argument | meaning |\n|---|---|\n" + "".join(rows)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _program(verb, level + "#")


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
        return ""
    formatter = parser._get_formatter()
    # What depends on the machine that writes the page is told by its form.
    meaning = formatter._expand_help(action) if action.help else ""
    meaning = meaning.replace(_whoami(), "USER@HOST")
    if action.default not in (None, False, argparse.SUPPRESS) and "default" not in meaning:
        meaning = f"{meaning}; default: {action.default}".removeprefix("; ")
    names = ", ".join(action.option_strings)
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        given = ""
    elif action.choices:
        given = "\\|".join(map(str, action.choices))
    else:
        given = str(action.metavar or action.dest.upper()).replace("|", "\\|")
    words = " ".join(word for word in (names, given) if word)
    must = " (must be given)" if action.required and action.option_strings else ""
    return f"| `{words}` | {_cell(meaning) or '–'}{must} |\n"


def _sentence(text: str) -> str:
    text = text.strip().replace("``", "`")
    return text[0].upper() + text[1:].removesuffix(".") + "."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(render())
    print(f"wrote {PAGE.name}")
