"""The command as it is used: a process with arguments, signals and an exit code."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from botswarm.report import Report
from botswarm.tokens import load_tokens
from gameserver.errors import ConfigError
from tests.botswarm.command import exit_code
from tests.botswarm.polling import until
from tests.botswarm.server import Server


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text("# players\n" + "\n".join(f"token-p{number}" for number in range(8)) + "\n\n")
    return path


async def start(*arguments: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "botswarm", *map(str, arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def finish(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def common(server: Server, tokens: Path) -> list[object]:
    """Whether the machine that runs the tests keeps up is none of their business."""
    what = ["--game", "echo", "--ramp", "0.2", "--allow-saturation"]
    return ["--url", server.url, "--tokens", tokens, *what]


@pytest.mark.parametrize("count", [1, 2])
async def test_a_run_in_one_process_or_two(server, tokens, tmp_path, count):
    server.match_ticks = 60
    process = await start(
        *common(server, tokens), "--bots", 6, "--processes", count, "--duration", 0.5,
        "--finish", 20, "--report", tmp_path / "r.json", "--ledger", tmp_path / "l.jsonl",
        "--min-snapshots", 10, "--min-matches-ended", 1, "--max-p99-ms", 60_000,
    )  # fmt: skip
    code, out, err = await finish(process)
    assert code == 0, out + err
    report = msgspec.json.decode((tmp_path / "r.json").read_bytes(), type=Report)
    assert report.passed and not report.interrupted
    assert report.errors == {}
    assert (report.counts.handshakes, len(report.cpu)) == (6, count)
    assert report.counts.joins >= 6
    assert report.counts.matches_ended >= 1
    assert report.latency.count > 0
    assert "passed" in out and "input to snapshot" in out
    assert "connected" in err
    assert (tmp_path / "l.jsonl").read_text().count('"type":"end"') == report.counts.matches_ended


async def test_a_broken_limit_is_exit_1(server, tokens):
    process = await start(
        *common(server, tokens), "--bots", 2, "--duration", 0.3, "--min-snapshots", 10**9, "--quiet"
    )
    code, out, err = await finish(process)
    assert (code, err) == (1, "")
    assert re.search(r"min snapshots +1e\+09 +\d+ +BROKEN", out)


async def test_nobody_who_joins_is_exit_1(server, tmp_path):
    (tmp_path / "bad").write_text("wrong\n")
    process = await start(
        *common(server, tmp_path / "bad"), "--bots", 1, "--duration", 5, "--json",
        "--max-error-rate", 1,
    )  # fmt: skip
    code, out, _ = await finish(process)
    report = msgspec.json.decode(out, type=Report)
    assert (code, report.errors) == (1, {"handshake_401": 1})
    assert [verdict.name for verdict in report.limits if not verdict.kept] == ["joins"]


@pytest.mark.parametrize("count", [1, 2])
async def test_ctrl_c_gives_a_partial_report(server, tokens, tmp_path, count):
    process = await start(
        *common(server, tokens), "--bots", 4, "--processes", count, "--duration", 600,
        "--report", tmp_path / "r.json",
    )  # fmt: skip
    await until(lambda: sum(peer.ticks > 5 for peer in server.peers) == 4)
    process.send_signal(signal.SIGINT)
    code, out, err = await finish(process)
    assert code == 130, out + err
    report = msgspec.json.decode((tmp_path / "r.json").read_bytes(), type=Report)
    assert report.interrupted and not report.passed
    assert report.counts.snapshots > 0 and report.counts.handshakes == 4
    assert "interrupted" in out
    assert server.leaves == 4


async def test_the_death_of_the_parent_ends_the_children(server, tokens):
    process = await start(
        *common(server, tokens), "--bots", 2, "--processes", 2, "--duration", 600, "--quiet"
    )
    await until(lambda: len(server.peers) == 2)
    process.kill()
    await process.communicate()
    await until(lambda: not server.peers)
    assert server.leaves == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bots", "0"], "not within 1 to"),
        (["--bots", "many"], "not a whole number"),
        (["--rate", "nan"], "not within"),
        (["--rate", "0"], "not within"),
        (["--duration", "0"], "not within"),
        (["--ramp", "-1"], "not within"),
        (["--seed", "-1"], "not within"),
        (["--processes", "1000"], "not within"),
        (["--bots", "2", "--processes", "3"], "more than there are bots"),
        (["--max-error-rate", "2"], "not within 0 to 1"),
        (["--max-p99-ms", "x"], "not a number"),
        (["--url", "http://x"], "ws:// or wss://"),
        (["--url", "ws://"], "write ws://HOST:PORT"),
        (["--ca", "x.pem"], "only for a wss"),
        (["--url", "wss://x", "--ca", "/nonexistent.pem"], "--ca"),
        (["--format", "xml"], "invalid choice"),
        (["--reading", "never"], "invalid choice"),
        (["--url", "wss://x", "--reading", "polled"], "only for a ws:// URL"),
        (["--brain", "none"], "invalid choice"),
        (["--game", "chess"], "not known"),
        (["--report", "/nonexistent/r.json"], "does not exist"),
        (["--tokens", "/nonexistent"], "cannot be read"),
        (["--tokens", "http://127.0.0.1:1/dev/tokens"], "cannot be reached"),
        (["--unknown"], "unrecognized"),
        (["check", "--ledger", "/nonexistent", "--postgres", "postgresql://x"], "--ledger"),
        (["check", "--ledger", "x", "--postgres", "mysql://x"], "postgresql://"),
        (["check", "--ledger", "x"], "--postgres"),
    ],
)
def test_what_is_wrong_is_said(capsys, arguments, words):
    assert exit_code(arguments) == 2
    assert words in capsys.readouterr().err


def test_too_few_tokens(tokens):
    assert load_tokens(str(tokens), 8)[-1] == "token-p7"
    with pytest.raises(ConfigError, match="8 tokens for 9 bots"):
        load_tokens(str(tokens), 9)


def test_a_line_that_is_no_token(tmp_path):
    (tmp_path / "t").write_text("good\nnot good\n")
    with pytest.raises(ConfigError, match="line 2"):
        load_tokens(str(tmp_path / "t"), 2)


class Issuer(BaseHTTPRequestHandler):
    asked: list[str]
    answer: bytes | None = None

    def do_POST(self) -> None:
        self.asked.append(self.path)
        count = int(self.path.rpartition("=")[2])
        first = 1_000 * len(self.asked)
        tokens = [f"token-{number}" for number in range(first, first + count)]
        body = self.answer or msgspec.json.encode({"tokens": tokens})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def issuer():
    Issuer.asked, Issuer.answer = [], None
    with HTTPServer(("127.0.0.1", 0), Issuer) as http:
        thread = Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/dev/tokens"
        http.shutdown()
        thread.join()


def test_tokens_of_a_url(issuer):
    tokens = load_tokens(issuer, 1_200)
    assert len(set(tokens)) == 1_200
    assert Issuer.asked == [f"/dev/tokens?count={count}" for count in (500, 500, 200)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"[]", "expected"),
        (b'{"tokens": []}', "0 tokens for 5"),
        (b'{"tokens": ["a b"]}', "not a token"),
    ],
)
def test_a_url_that_gives_something_else(issuer, answer, words):
    Issuer.answer = answer
    with pytest.raises(ConfigError, match=words):
        load_tokens(issuer, 5)
