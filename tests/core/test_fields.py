"""docs/compile-rules.md, compiled; and what ``gameserver.game.fields`` refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gameserver.devstack.compile import ROOT
from tests.conftest import needs_compiled

PAGE = ROOT / "docs" / "compile-rules.md"
PLAYED = """
from my_game import _loops, game, loops
from my_game.state import Ball

assert game.fly is _loops.fly
both = [{1: Ball(5, -9), 2: Ball(3, 4)} for _ in range(2)]
for _ in range(1_000):
    _loops.fly(both[0], 100)
    loops.fly(both[1], 100)
    assert both[0] == both[1]
assert both[0][1].x
"""
STORED = """
import msgspec
from gameserver.game import packed
from my_game import _balls, _loops, state

here = {1: _balls.Ball(5, -9), 2: _balls.Ball(3, 4)}
there = {1: state.Ball(5, -9), 2: state.Ball(3, 4)}
for _ in range(1_000):
    _balls.fly(here, 100)
    _loops.fly(there, 100)
    encoded = packed.encode(here)
    assert encoded == msgspec.msgpack.encode(there)
    here = packed.decode(encoded, dict[int, _balls.Ball])
assert type(here[1]) is _balls.Ball and here[1].x
for wrong in ([1], [1, 2**31], [1, "x"], {}):
    try:
        packed.decode(msgspec.msgpack.encode({1: wrong}), dict[int, _balls.Ball])
    except msgspec.ValidationError:
        continue
    raise SystemExit(f"{wrong} was read")
"""
REFUSED = """
from gameserver.game.fields cimport offset_of, read

from my_game.state import Ball


def at(kind, name):
    return offset_of(kind, name)


def get(ball, Py_ssize_t offset):
    return read(ball, offset)
"""
REFUSING = """
import msgspec
from my_game import _refused
from my_game.state import Ball


class Other(msgspec.Struct):
    y: int

    @property
    def twice(self):
        return 2 * self.y


def error(call, *given):
    try:
        call(*given)
    except Exception as error:
        return type(error).__name__
    return None


at = _refused.at(Ball, "dx")
assert _refused.get(Ball(1, 7), at) == 7
assert error(_refused.at, Ball, "y") == "AttributeError"
assert error(_refused.at, Other, "twice") == "TypeError"
half = Ball(1, 7)
del half.dx
assert error(_refused.get, half, at) == "AttributeError"
"""


PUSHED = """
import socket
from types import SimpleNamespace

import msgspec

from gameserver import hot
from gameserver.metrics import Metrics
from gameserver.wire.codec import ClientDecoder, Format
from gameserver.wire.ws_frame import client_frame
from my_game._push import pushed
from my_game.inputs import Push

ours, theirs = socket.socketpair()
line = hot.Line()
line.fd, line.direct, line.fast, line.usual_max, line.prepaid = ours.fileno(), True, True, 131, 9
line.decode, line.input_type = ClientDecoder(Push, Format.MSGPACK).quick
member = hot.Member(SimpleNamespace(id="p", seat=0))
member.line = line
for seq, force in ((1, -7), (2, 100)):
    payload = msgspec.msgpack.encode([2, seq, Push(force)])
    theirs.send(client_frame(payload, bytes(4), text=False))
inputs = []
hot.collect((member,), inputs, 1, 4, Metrics(), None)
assert len(inputs) == 2
assert pushed(inputs) == 93
assert pushed([*inputs, hot.Given("p", 0, 3, Push(5)), SimpleNamespace(data=Push(2))]) == 100
"""


def parts() -> dict[str, str]:
    """The page's blocks by the file that they are."""
    found = re.findall(r"<!-- compile: (\S+) -->\n```\w+\n(.*?)```\n", PAGE.read_text(), re.DOTALL)
    return dict(found)


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ``my_game``, as the page says."""
    directory = tmp_path_factory.mktemp("compiled")
    package = directory / "my_game"
    package.mkdir()
    (package / "__init__.py").touch()
    for name, text in parts().items():
        if name != "run":
            (package / name).write_text(text)
    (package / "_refused.pyx").write_text(REFUSED)
    return directory


def run(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def compiled(directory: Path, *files: str) -> None:
    done = run(directory, "-m", "gameserver.devstack.compile", *files)
    needs_compiled("no C compiler" not in done.stdout and "headers are" not in done.stdout)
    assert done.returncode == 0, done.stdout


def test_the_page_leads_to_loops_that_do_the_same(game: Path) -> None:
    command = parts()["run"].split()
    assert command[:3] == ["python", "-m", "gameserver.devstack.compile"]
    compiled(game, *command[3:])
    done = run(game, "-c", PLAYED)
    assert done.returncode == 0, done.stderr


def test_a_class_of_ones_own_is_stored_as_its_struct(game: Path) -> None:
    compiled(game, *parts()["run"].split()[3:], "my_game/_balls.pyx")
    done = run(game, "-c", STORED)
    assert done.returncode == 0, done.stderr


def test_inputs_that_are_numbers_are_read_as_such(game: Path) -> None:
    compiled(game, "my_game/_push.pyx")
    done = run(game, "-c", PUSHED)
    assert done.returncode == 0, done.stderr


def test_what_is_no_field_or_not_set_is_an_error(game: Path) -> None:
    compiled(game, "my_game/_refused.pyx")
    done = run(game, "-c", REFUSING)
    assert done.returncode == 0, done.stderr


def test_a_file_that_does_not_compile_is_named(game: Path) -> None:
    (game / "my_game" / "_wrong.pyx").write_text("cdef nonsense(\n")
    done = run(game, "-m", "gameserver.devstack.compile", "my_game/_wrong.pyx")
    assert done.returncode == 1
    assert done.stdout.startswith("my_game/_wrong.pyx is not compiled: ")
