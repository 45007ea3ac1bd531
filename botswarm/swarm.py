"""One process of the swarm: its bots, their timer, their connections."""

from __future__ import annotations

import asyncio
import errno
import gc
import math
import resource
import ssl
import time
from collections.abc import Callable

import msgspec
from websockets.exceptions import InvalidURI
from websockets.uri import WebSocketURI, parse_uri

from botswarm.brain import load_brains
from botswarm.client import ANSWER_S, Bot, Host
from botswarm.ledger import Ledger, Line
from botswarm.pauses import Pause, Pauses
from botswarm.play import Table
from botswarm.reading import is_measured, measured_count, polls
from botswarm.settings import Settings, Share
from botswarm.stage import direct
from botswarm.stats import Progress, Stats
from botswarm.wheel import Timer, Wheel
from gameclient.connection import Connection
from gameserver.errors import ConfigError

PROGRESS_S = 0.5
GOODBYE_S = 5.0
"""How long the bots have for their closing handshakes at the end."""
FILES_SPARE = 64
SETTLE_FACTOR = 5


class Result(msgspec.Struct, kw_only=True, tag="result"):
    """What a process found. ``total`` is of the whole run; ``steady`` of the ``steady_s`` seconds
    after the ramp, with the CPU time used in them."""

    total: Stats
    steady: Stats
    steady_s: float
    steady_cpu_s: float
    interrupted: bool
    ledger: list[Line]
    pauses: list[Pause]
    pauses_uncounted: int


class Swarm:
    """Runs the bots of one ``Share``. Use once."""

    def __init__(self, share: Share) -> None:
        """Raises ``ConfigError`` for a game or URL that cannot be used."""
        settings = share.settings
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._uri = check_url(settings)
        self._tls = tls_context(settings)
        self._stats = Stats()
        self._ledger = Ledger(record_events=settings.record_events)
        self._pauses = Pauses(
            over_s=settings.pause_s or math.inf, offset_s=time.time() - time.monotonic()
        )
        self._wheel = Wheel(now=time.monotonic(), served=self._served)
        self._table = Table(
            settings=settings,
            brains=load_brains(
                settings.game, kind=settings.brain, format=settings.format, seed=settings.seed
            ),
            stats=self._stats,
            ledger=self._ledger,
            wheel=self._wheel,
            pauses=self._pauses,
        )
        host = Host(time=time.monotonic, dial=self._dial, done=self._done)
        count = len(share.numbers)
        polled = polls(settings.reading, bots=count, tls=self._tls is not None)
        self._stats.measured_bots = measured_count(count) if polled else count
        self._bots = [
            Bot(
                self._table,
                host,
                number=number,
                token=token,
                polled=polled and not is_measured(index, count),
            )
            for index, (number, token) in enumerate(zip(share.numbers, share.tokens, strict=True))
        ]
        self._numbers = share.numbers
        self._active = len(self._bots)
        self._all_done = asyncio.Event()
        self._dials: set[asyncio.Task[None]] = set()
        self._tick_handle: asyncio.TimerHandle | None = None
        self._phase = "ramp"
        self._started_at = 0.0
        allow_files(len(self._bots))

    async def run(self, *, progress: Callable[[Progress], None], stop: asyncio.Event) -> Result:
        """Ramp, steady load, finish, goodbye. ``stop`` cuts it short, with a result none the less.

        ``progress`` is called about twice a second.
        """
        settings = self._settings
        self._started_at = time.monotonic()
        reporter = asyncio.create_task(self._report(progress))
        self._tick()
        try:
            self._schedule_starts()
            interrupted = await self._pass_time(settings.ramp_s, stop)
            interrupted = await self._settle(stop) or interrupted
            steady_from, at, cpu = self._stats.copy(), time.monotonic(), time.process_time()
            self._phase = "steady"
            progress(self._progress())  # at once, so that what happens now is known to the moment
            direct(self._bots, self._numbers, settings=settings, wheel=self._wheel, now=at)
            interrupted = interrupted or await self._pass_time(settings.duration_s, stop)
            steady = self._stats.since(steady_from)
            steady_s, steady_cpu_s = time.monotonic() - at, time.process_time() - cpu
            if settings.finish_s and not interrupted:
                interrupted = await self._finish(stop)
            await self._say_goodbye()
            progress(self._progress())
        finally:
            gc.unfreeze()
            reporter.cancel()
            if self._tick_handle is not None:
                self._tick_handle.cancel()
            for dial in self._dials:
                dial.cancel()
            await asyncio.gather(reporter, *self._dials, return_exceptions=True)
        return Result(
            total=self._stats,
            steady=steady,
            steady_s=steady_s,
            steady_cpu_s=steady_cpu_s,
            interrupted=interrupted,
            ledger=list(self._ledger.lines()),
            pauses=self._pauses.found,
            pauses_uncounted=self._pauses.uncounted,
        )

    # ── phases ───────────────────────────────────────────────────────────────────────────────

    def _schedule_starts(self) -> None:
        for bot, number in zip(self._bots, self._numbers, strict=True):
            share = number / self._settings.bots
            self._wheel.set(Timer(bot.start), self._started_at + self._settings.ramp_s * share)

    async def _pass_time(self, seconds: float, stop: asyncio.Event) -> bool:
        """Whether ``stop`` came first. Ends early when no bot is left to do anything."""
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(self._all_done.wait())]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return stop.is_set()

    async def _settle(self, stop: asyncio.Event) -> bool:
        """What lives now lives for the whole run, so the collector need not look at it again. That
        takes a moment, and what the bots missed in it has to be made up for before figures count.
        """
        since = time.monotonic()
        gc.collect()
        gc.freeze()
        return await self._pass_time(SETTLE_FACTOR * (time.monotonic() - since), stop)

    async def _finish(self, stop: asyncio.Event) -> bool:
        self._phase = "finish"
        for bot in self._bots:
            bot.finish()
        return await self._pass_time(self._settings.finish_s, stop)

    async def _say_goodbye(self) -> None:
        self._phase = "stop"
        for bot in self._bots:
            bot.stop()
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._all_done.wait()
        except TimeoutError:
            self._stats.error("timeout:close", self._active)

    # ── the bots' host ───────────────────────────────────────────────────────────────────────

    def _dial(self, bot: Bot) -> None:
        task = self._loop.create_task(self._connect(bot))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _connect(self, bot: Bot) -> None:
        def made() -> Connection:
            return Connection(
                uri=self._uri,
                format=self._settings.format,
                token=bot.token,
                mask=bot.mask,
                listener=bot,
                stats=self._stats,
            )

        try:
            async with asyncio.timeout(ANSWER_S):
                await self._loop.create_connection(
                    made, self._uri.host, self._uri.port, ssl=self._tls
                )
        except TimeoutError:
            bot.connect_failed("timeout:connect")
        except ssl.SSLError as error:
            bot.connect_failed(f"tls:{(error.reason or 'failed').lower()}")
        except OSError as error:
            bot.connect_failed(_os_error_kind(error))

    def _done(self, bot: Bot) -> None:
        self._active -= 1
        if self._active == 0:
            self._all_done.set()

    def _tick(self, due: float = 0.0) -> None:
        now = time.monotonic()
        if due:
            self._stats.lag.record(int((now - due) * 1e6))
        self._wheel.advance(now)
        due = self._wheel.next_at
        # uvloop rounds to whole milliseconds: rounded down, the loop would spin until it is time.
        delay_s = math.ceil(max(0.0, due - time.monotonic()) * 1000) / 1000
        self._tick_handle = self._loop.call_later(delay_s, self._tick, due)

    def _served(self, due: float, fired: int) -> None:
        """All that fired counts as late as the last of it."""
        self._stats.late.record(int((time.monotonic() - due) * 1e6), fired)

    async def _report(self, progress: Callable[[Progress], None]) -> None:
        while True:
            progress(self._progress())
            await asyncio.sleep(PROGRESS_S)

    def _progress(self) -> Progress:
        return Progress(
            phase=self._phase,
            at_s=time.monotonic() - self._started_at,
            cpu_s=time.process_time(),
            stats=self._stats,
        )


def check_url(settings: Settings) -> WebSocketURI:
    """Raises ``ConfigError`` unless ``settings.url`` is a WebSocket URL."""
    try:
        return parse_uri(settings.url)
    except (InvalidURI, ValueError) as error:
        raise ConfigError(f"--url {settings.url!r}: {error}; write ws://HOST:PORT") from error


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """For ``wss``: trust ``ca_file``, or the system's authorities. Raises ``ConfigError``."""
    if not settings.url.startswith("wss:"):
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"--ca {settings.ca_file}: cannot be used ({error})") from error


def allow_files(sockets: int) -> None:
    """Raise the soft limit of open files to what is needed. Raises ``ConfigError`` if the hard
    limit is below."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = sockets + FILES_SPARE
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise ConfigError(
                f"{sockets} bots of one process need {needed} open files, the limit is {hard}: "
                "raise it (ulimit -n) or use more --processes"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _os_error_kind(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connect_refused"
    name = errno.errorcode.get(error.errno or 0, type(error).__name__)
    return f"connect:{name.lower()}"
