"""A tutorial as a list of what its reader does, and a reader who does it.

Above each fenced block of the page a comment, unseen by readers, says what is to be done with it::

    write PATH · append PATH · change PATH     the block is the file, its end (in Python below two
                                               empty lines), or a diff of it
    run [, fails | , until it works | , keeps MATCH]     commands, in the directory reached so far
    serve · beside                             commands that go on in a terminal of their own
    prints · served · beside prints            what the last of these has printed, line by line
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.heard import Heard

WAIT_S = 120
_FENCE = re.compile(r"^(```+)\w*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"<!-- tutorial: (.+?) -->\n(```+)\w*\n(.*?)^\2$", re.MULTILINE | re.DOTALL)


class Step(NamedTuple):
    """One block of the page."""

    what: str
    text: str


def steps(page: str) -> list[Step]:
    """All blocks in their order. Raises ``AssertionError`` for one that is not for anything."""
    found = [Step(what, text) for what, _, text in _STEP.findall(page)]
    assert len(found) == len(_FENCE.findall(page)), "a block has no comment that says what it is"
    return found


def patched(text: str, diff: str) -> str:
    """``text`` after ``diff``: hunks parted by ``@@``, each of which fits in one place only."""
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] or "\n" for line in lines if line[0] in " -")
        new = "".join(line[1:] or "\n" for line in lines if line[0] in " +")
        assert text.count(old) == 1, f"found {text.count(old)} times: {old}"
        text = text.replace(old, new)
    return text


class Terminal(Heard):
    """Commands that run beside the test; ``output`` is all that they have printed."""

    def __init__(self, script: str, *, directory: Path, environ: Mapping[str, str]) -> None:
        super().__init__(["sh", "-euc", script], directory=directory, environ=environ)

    def wait_for(self, lines: str) -> None:
        """Until each of ``lines`` has been printed, in their order. Raises ``AssertionError``."""
        deadline = time.monotonic() + WAIT_S
        while not printed(lines, self.output):
            ended = self.process.poll() is not None
            if ended:
                self._reader.join(10)
            if (ended and not printed(lines, self.output)) or time.monotonic() > deadline:
                raise AssertionError(f"no {lines!r} in:\n{self.output}")
            time.sleep(0.02)

    def end(self) -> None:
        """Ctrl-C, if it still runs; kills what does not end by it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        self._reader.join(10)


def printed(lines: str, output: str) -> bool:
    """Whether each of ``lines`` is part of a line of ``output``, in their order."""
    rest = iter(output.splitlines())
    return all(any(line in one for one in rest) for line in lines.splitlines())


class Reader:
    """Does what a page says. ``words``: what is another thing here than for a reader (addresses,
    places), and is therefore replaced wherever it stands."""

    def __init__(
        self, directory: Path, *, environ: Mapping[str, str], words: Mapping[str, str]
    ) -> None:
        self.directory = directory
        self.environ = environ
        self.words = words
        self.output = ""
        self.kept = ""
        self.terminals: dict[str, Terminal] = {}

    def do(self, step: Step) -> None:
        """One step. Raises ``AssertionError`` where something else happens than the page says."""
        text = step.text
        for word, here in self.words.items():
            text = text.replace(word, here)
        what, _, how = step.what.partition(", ")
        verb, _, path = what.partition(" ")
        match verb:
            case "write":
                (self.directory / path).write_text(text)
            case "append":
                with (self.directory / path).open("a") as file:
                    file.write("\n\n" + text if path.endswith(".py") else text)
            case "change":
                file = self.directory / path
                file.write_text(patched(file.read_text(), text))
            case "run":
                self._run(re.sub(r"MATCH=\S+", f"MATCH={self.kept}", text), how)
            case "prints":
                last = next(reversed(self.terminals.values()), None)
                if self.output or last is None:
                    assert printed(text, self.output), self.output
                else:
                    last.wait_for(text)
            case "served":
                self.terminals["serve"].wait_for(text)
            case "beside" if path:
                self.terminals["beside"].wait_for(text)
            case "serve" | "beside":
                self.output = ""
                self.terminals[verb] = Terminal(
                    text, directory=self.directory, environ=self.environ
                )
            case _:
                raise AssertionError(step.what)

    def _run(self, script: str, how: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while True:
            run = subprocess.run(
                ["sh", "-euc", f"{script}\npwd"],
                cwd=self.directory,
                env=self.environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=WAIT_S,
                check=False,
            )
            if how != "until it works" or run.returncode == 0 or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        self.output = run.stdout
        assert (run.returncode != 0) == (how == "fails"), run.stdout
        if run.returncode == 0:
            self.directory = Path(run.stdout.splitlines()[-1])
        if how.startswith("keeps"):
            [self.kept] = set(re.findall(r"of match (\w+)", run.stdout))

    def close(self) -> None:
        """End what still runs, the last begun first."""
        for terminal in reversed(self.terminals.values()):
            terminal.end()
