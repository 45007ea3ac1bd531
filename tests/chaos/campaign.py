"""A whole cluster of real processes, real clients that play on it, and what a plan does to it.

    swarm ──► balancer ──► 3 nodes ──► Valkey (append-only file), SQS ──► 2 workers ──► PostgreSQL

At the end everything runs again, the bots play their matches to the end, and ``judge`` looks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import msgspec

from gameserver.devstack.programs import Extra, Program
from gameserver.devstack.settings import on_free_ports
from gameserver.devstack.stack import Stack
from gameserver.devstack.tokens import bot_name, bot_player
from tests.chaos.judge import Verdict, judge
from tests.chaos.plan import Fault, Kind, make_plan

ROOT = Path(__file__).parents[2]
STORES = ("valkey", "postgres", "sqs")
RAMP_S = 2.0
HEALED_S = 8.0
"""How long the bots play on after the last fault, so that everyone is back."""
FINISH_S = 60.0
SETTLE_S = 90.0
SEEKERS = 10
"""Players of matchmaking, two of them a party."""
_POLL_S = 0.05
_TOKEN_S = 24 * 3600
_DRAINED_S = 15.0

Say = Callable[[str], None]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a campaign. ``swarm``: the report of the bots."""

    seed: int
    faults: dict[str, int]
    swarm: dict[str, Any]
    verdict: Verdict

    @property
    def violations(self) -> list[str]:
        return self.verdict.violations


class Campaign:
    """Use once, as ``with Campaign(...) as campaign: outcome = campaign.run()``."""

    def __init__(
        self,
        directory: Path,
        *,
        seed: int,
        seconds: float,
        bots: int,
        say: Say,
        mutation: str = "",
    ) -> None:
        """``mutation``: a defect of all nodes, one of ``mutant.MUTATIONS``."""
        self._directory = directory
        self._seed = seed
        self._seconds = seconds
        self._bots = bots
        self._say = say
        extra = Extra(
            gameserver={"GAMESERVER_EMPTY_MATCH_MS": "2000", "GAMESERVER_GRACE_MS": "15000"},
            # What a killed worker held comes again after this long.
            # Whatever becomes a dead letter stays in the queue, for the judge to see.
            worker={"WORKER_VISIBILITY_S": "10", "WORKER_REDRIVE_EVERY_S": "0"},
        )
        settings = on_free_ports(directory / "stack", nodes=3, workers=2)
        # With `everysec` Valkey may answer before its file is written, while an earlier fsync runs.
        self.stack = Stack(settings, extra=extra, fsync=False, append_fsync="always")
        for name in self.stack.nodes if mutation else ():
            program = cast(Program, self.stack.service(name))
            program._argv[2:2] = ["tests.chaos.mutant", mutation]
        self._pending: list[tuple[float, Callable[[], bool]]] = []
        self._busy: set[str] = set()
        self._began = 0.0

    def __enter__(self) -> Campaign:
        self.stack.start(progress=lambda name: None)
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.kill()

    def run(self) -> Outcome:
        """The faults, the healing, the judgement."""
        plan = make_plan(
            self._seed,
            seconds=self._seconds,
            nodes=list(self.stack.nodes),
            workers=self.stack.workers,
            stores=STORES,
        )
        swarm, seekers = self._start_swarm(), self._start_seekers()
        try:
            time.sleep(RAMP_S)
            done = self._carry_out(plan)
            with suppress(subprocess.TimeoutExpired):  # Then there is no report, which is judged.
                swarm.wait(timeout=HEALED_S + FINISH_S + SETTLE_S)
                seekers.wait(timeout=SETTLE_S)
        finally:
            for process in (swarm, seekers):
                process.kill()
                process.wait()
        report = self._directory / "report.json"
        figures = json.loads(report.read_text()) if report.exists() else {}
        verdict = judge(
            self.stack,
            ledger=self._directory / "ledger.jsonl",
            swarm=figures,
            swarm_exit=swarm.returncode,
            bots=self._bots,
            seekers=self._directory / "seekers.json",
            wait_s=SETTLE_S,
        )
        return Outcome(seed=self._seed, faults=dict(done), swarm=figures, verdict=verdict)

    def _start_swarm(self) -> subprocess.Popen[bytes]:
        cognito, tokens = self.stack.moto.cognito(), self._directory / "tokens"
        tokens.write_text(
            "".join(
                cognito.token(bot_player(i), username=bot_name(i), expires_in_s=_TOKEN_S) + "\n"
                for i in range(1, self._bots + 1)
            )
        )
        command = [sys.executable, "-m", "botswarm", "--url", self.stack.settings.ws_url]
        command += ["--tokens", str(tokens), "--bots", str(self._bots), "--mode", "quick"]
        command += ["--ramp", str(RAMP_S), "--duration", str(self._seconds + HEALED_S)]
        command += ["--finish", str(FINISH_S), "--quiet", "--seed", str(self._seed)]
        command += ["--ledger", str(self._directory / "ledger.jsonl")]
        # Lost connections, refusals and stalls are what chaos is made of; broken promises are not.
        command += ["--report", str(self._directory / "report.json"), "--max-error-rate", "1"]
        command += ["--allow-saturation"]
        with (self._directory / "swarm.log").open("wb") as log:
            return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)

    def _start_seekers(self) -> subprocess.Popen[bytes]:
        """Players who come by matchmaking, beside the swarm."""
        cognito, tokens = self.stack.moto.cognito(), self._directory / "seekers.tokens"
        numbers = range(self._bots + 1, self._bots + 1 + SEEKERS)
        tokens.write_text(
            "".join(
                cognito.token(bot_player(i), username=bot_name(i), expires_in_s=_TOKEN_S) + "\n"
                for i in numbers
            )
        )
        command = [sys.executable, "-m", "tests.chaos.seekers", "--tokens", str(tokens)]
        command += ["--api", self.stack.settings.api_url, "--ws", self.stack.settings.ws_url]
        command += ["--seconds", str(self._seconds + HEALED_S), "--seed", str(self._seed)]
        command += ["--report", str(self._directory / "seekers.json")]
        with (self._directory / "seekers.log").open("wb") as log:
            return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)

    # ── faults ───────────────────────────────────────────────────────────────────────────────

    def _carry_out(self, plan: list[Fault]) -> Counter[str]:
        done: Counter[str] = Counter()
        self._began = time.monotonic()
        for fault in plan:
            self._pass_time(fault.at_s)
            if fault.target in self._busy:
                self._tell(f"{fault.target} is left alone: it has not recovered yet")
                continue
            self._tell(f"{fault.kind} {fault.target} for {fault.for_s:.1f} s")
            done[f"{fault.kind} {fault.target.partition('-')[0]}"] += 1
            self._do(fault)
        self._pass_time(self._seconds)
        while self._pending:
            self._pass_time(time.monotonic() - self._began + _POLL_S)
        self._tell("everything runs again")
        return done

    def _do(self, fault: Fault) -> None:
        service, undo_at = self.stack.service(fault.target), self._now() + fault.for_s
        self._busy.add(fault.target)
        match fault.kind:
            case Kind.KILL:
                service.kill()
            case Kind.STOP:
                service.pause()
            case Kind.DRAIN:
                service.ask_to_stop()
                undo_at = self._now()
        gives_up_at = self._now() + _DRAINED_S

        def undo() -> bool:
            if fault.kind is Kind.STOP:
                service.resume()
            elif service.is_running() and self._now() < gives_up_at:
                return False  # It is still draining.
            else:
                service.begin()
            self._tell(f"{fault.target} goes on")
            self._busy.discard(fault.target)
            return True

        self._pending.append((undo_at, undo))

    def _pass_time(self, until_s: float) -> None:
        """Wait, and meanwhile undo what is due; what has fallen by itself is started again."""
        while (now := self._now()) < until_s:
            self._pending = [(at, undo) for at, undo in self._pending if not (at <= now and undo())]
            for service in self.stack.all_fallen():
                if service.name not in self._busy:
                    self._tell(f"{service.name} has ended ({service.ending()}) and starts again")
                    service.begin()
            time.sleep(_POLL_S)

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _tell(self, what: str) -> None:
        self._say(f"{self._now():7.1f} s  {what}")
