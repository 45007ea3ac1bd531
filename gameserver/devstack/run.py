"""``make run``: everything up, a read-out for the newcomer, then supervision until Ctrl-C."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from aiohttp import web
from rich.console import Console
from rich.markup import escape

from gameserver.devstack import settings as stack_settings
from gameserver.devstack.bots import BotRuns
from gameserver.devstack.follow import follow
from gameserver.devstack.page_server import CONSOLE_PATH, TOKEN_LIFETIME_S, PageServer
from gameserver.devstack.process import LOOPBACK, DevstackError
from gameserver.devstack.settings import Settings
from gameserver.devstack.stack import Stack
from gameserver.devstack.supervise import watch

WEB = Path(__file__).resolve().parents[2] / "web"


def run(environ: Mapping[str, str], *, games: Sequence[str] = ()) -> int:
    """``games`` as ``GAMES`` has them. Returns the exit code: 0 after Ctrl-C, 1 if something could
    not start or died."""
    console = Console(highlight=False)
    # A shell starts what runs in its background with Ctrl-C ignored; here it must always work.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_ctrl_c)
    try:
        settings = stack_settings.from_environ(environ, games=games)
        with only_one(settings.directory):
            stack_settings.check_ports_are_free(settings)
            return _run(settings, console)
    except DevstackError as error:
        _say(console, error)
        return 1


def _run(settings: Settings, console: Console) -> int:
    stack = Stack(settings)
    began = time.monotonic()
    try:
        _start(stack, console)
        asyncio.run(_serve(stack, console, began))
    except KeyboardInterrupt:
        console.print("\n[bold]Stopping…[/] (again to stop at once)")
        return 0
    except DevstackError as error:
        _say(console, error)
        return 1
    finally:
        _stop(stack, console)
    return 0


def _say(console: Console, error: DevstackError) -> None:
    # Escaped: brackets in a log's lines would be taken for colours.
    console.print(f"[bold red]✗[/] {escape(str(error))}", soft_wrap=True)


def _start(stack: Stack, console: Console) -> None:
    with console.status("Starting…") as status:
        done: list[str] = []

        def progress(name: str) -> None:
            done.append(name)
            status.update(f"Starting… {', '.join(done)}")

        stack.start(progress=progress)


def _stop(stack: Stack, console: Console) -> None:
    try:
        stack.stop()
    except KeyboardInterrupt:
        console.print("Stopping at once.")
    finally:
        stack.kill()
        console.print("Stopped; the data stays for the next start.")


async def _serve(stack: Stack, console: Console, began: float) -> None:
    """Serve the page and watch the services. Raises ``DevstackError`` when one dies."""
    settings = stack.settings
    cognito = stack.moto.cognito()
    page = PageServer(
        settings,
        web_directory=WEB,
        mint=cognito.mint,
        demo={"username": cognito.demo_username, "password": cognito.demo_password},
        bots=BotRuns(settings),
        operator={"username": cognito.admin_username, "password": cognito.admin_password},
    )
    runner = web.AppRunner(page.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, settings.ports["page"]).start()
        _read_out(stack, console, time.monotonic() - began)
        following = asyncio.create_task(_follow_reloads(settings, console))
        try:
            await watch(stack, lambda text: console.print(escape(text), soft_wrap=True))
        finally:
            following.cancel()
    finally:
        await runner.cleanup()


async def _follow_reloads(settings: Settings, console: Console) -> None:
    if settings.development is not None and settings.development.reload_log is not None:
        await follow(
            settings.development.reload_log,
            lambda text: console.print(escape(text), soft_wrap=True),
        )


def _read_out(stack: Stack, console: Console, took_s: float) -> None:
    settings, cognito = stack.settings, stack.moto.cognito()
    token = cognito.token(
        cognito.demo_sub, username=cognito.demo_username, expires_in_s=TOKEN_LIFETIME_S
    )
    admin_token = cognito.admin_token(expires_in_s=TOKEN_LIFETIME_S)
    for name, content in (("token", token), ("admin-token", admin_token)):
        token_file = settings.directory / name
        token_file.write_text(content)
        token_file.chmod(0o600)

    def line(label: str, value: str, note: str = "") -> None:
        # One piece a line and never wrapped, so that it can be copied from any terminal.
        note = f"   [dim]{note}[/]" if note else ""
        console.print(f"  [dim]{label:<12}[/] {value}{note}", soft_wrap=True)

    near = Path(os.path.relpath(settings.directory))
    show = near if len(str(near)) < len(str(settings.directory)) else settings.directory
    console.print(f"\n[bold green]✓[/] [bold]Ready[/] after {took_s:.1f} s\n")
    line("Page", f"[bold cyan]{settings.page_url}/[/]")
    line("Playground", f"{settings.page_url}/playground.html", "a game's messages")
    operator = f"{cognito.admin_username} / {cognito.admin_password}"
    line("Console", f"{settings.page_url}{CONSOLE_PATH}", f"operators; log in as {operator}")
    line("Log in", f"{cognito.demo_username} / {cognito.demo_password}")
    line("Bots", f"make swarm{_port_arguments()}", "in another terminal, or the page's button")
    console.print()
    line("WebSocket", settings.ws_url)
    line("HTTP API", settings.api_url, "/healthz /metrics /v1/games")
    for name in stack.workers:
        line(name.capitalize(), f"http://{LOOPBACK}:{settings.ports[name]}", "/healthz /metrics")
    request = f'curl -H "Authorization: Bearer $(cat {show / "token"})" {settings.api_url}'
    line("Try", f"{request}/v1/matches")
    line("Maintenance", _maintenance(show, settings.api_url), "the same with DELETE ends it")
    console.print()
    if stack.balancer is not None:
        _read_out_nodes(stack, console, line)
    line("PostgreSQL", stack.postgres_dsn)
    line("Valkey", stack.valkey.url)
    line("SQS", stack.sqs.endpoint_url, f"queue {stack.queue_url.rpartition('/')[2]}")
    line("AWS", stack.moto.endpoint_url, "Cognito, KMS and DynamoDB, emulated by moto")
    if settings.development is not None and settings.development.reload_log is not None:
        line("Reload", "on", "a change in a game's source takes effect in running matches")
    line("Logs", f"{show / 'logs'}/", ", ".join([*stack.nodes, *stack.workers, "…"]))
    line("Data", f"{show / 'data'}/", _data_note(stack))
    console.print(f"\nA token of {cognito.demo_username} for 12 hours, also in {show / 'token'}:")
    console.print(token, soft_wrap=True, style="dim")
    console.print("\nCtrl-C stops everything.\n")


def _maintenance(directory: Path, api_url: str) -> str:
    """How to turn maintenance on; ``operator`` is in the group that may."""
    bearer = f'-H "Authorization: Bearer $(cat {directory / "admin-token"})"'
    body = """-H "Content-Type: application/json" -d '{"message": "Back at noon."}'"""
    return escape(f"curl -X PUT {bearer} {body} {api_url}/v1/admin/maintenance")


def _read_out_nodes(stack: Stack, console: Console, line: Callable[..., None]) -> None:
    """The nodes behind the two addresses for players, and how to take one away."""
    status = f"http://{LOOPBACK}:{stack.settings.ports['balancer']}/"
    line("Balancer", status, "who is ready, and who has how many connections")
    for node in stack.nodes.values():
        service = stack.service(node.name)
        line(node.name, f"process {service.pid}", f"{node.ws_url}  {node.api_url}")
    pid = stack.service(next(reversed(stack.nodes))).pid
    line("Kill one", f"kill -9 {pid}", "its matches go on elsewhere; it is back after a second")
    console.print()


def _data_note(stack: Stack) -> str:
    elsewhere = not stack.postgres.base.is_relative_to(stack.settings.data)
    return f"(PostgreSQL's: {stack.postgres.base})" if elsewhere else "`make clean` removes it"


def _port_arguments() -> str:
    names = ("PORT_OFFSET", "WS_PORT", "PAGE_PORT")
    return "".join(f" {name}={os.environ[name]}" for name in names if os.environ.get(name))


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold the directory: two stacks over the same data would destroy it.

    Raises ``DevstackError`` naming the process that holds it. The lock ends with its process."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DevstackError(
                f"Another `make run` (process {file.read().strip()}) uses {directory}: stop it, or "
                "run beside it with `make run PORT_OFFSET=100 RUN_DIR=.run2`."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
