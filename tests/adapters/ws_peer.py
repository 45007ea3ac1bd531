"""A gate and sessions that only note what happens, and a client that may break every rule."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from gameserver.adapters.network_sim import NetworkSimulation
from gameserver.adapters.ws_server import WsServer
from gameserver.config import Config
from gameserver.errors import AlreadyConnected, StoreUnavailable, TokenRefused
from gameserver.game.contract import Player
from gameserver.hot import Member
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.ports import Admission, Connection, Credentials, Identity, Overloaded
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import Format
from gameserver.wire.ws_frame import server_frame

TIMEOUT_S = 60.0
ORIGIN = "https://play.example"
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def config(**settings: Any) -> Config:
    defaults: dict[str, Any] = {
        "ws_host": "127.0.0.1",
        "ws_port": 0,
        "origins": (ORIGIN,),
        "payload_bytes_max": 2048,
        "ping_ms": 3_600_000,  # no ping among the frames that a test waits for
    }
    return Config(**(defaults | settings))


async def until(condition: Any) -> None:
    """Poll ``condition`` until it holds; fails after ``TIMEOUT_S``."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


class FakeSession:
    """Echoes. ``boom`` raises, ``bye`` closes, ``flood`` writes 64 KiB."""

    def __init__(self, gate: FakeGate, connection: Connection, identity: Identity) -> None:
        self.gate = gate
        self.connection = connection
        self.identity = identity
        self.metrics = Metrics()
        self.member = Member(Player(id=PlayerId("p"), name="p", seat=0))
        self.member.line = connection.line
        self.messages: list[bytes] = []
        self.became_writable_times = 0
        self.closed_times = 0

    def received(self, payload: bytes) -> None:
        self.messages.append(payload)
        match payload:
            case b"boom":
                raise RuntimeError("a bug in the session")
            case b"bye":
                self.connection.close(CloseCode.KICKED)
            case b"flood":
                self.send(bytes(65_536))
            case _:
                self.send(payload)

    def send(self, payload: bytes) -> None:
        self.connection.write(server_frame(payload, text=self.connection.format is Format.JSON))

    def poll(self) -> None:
        """As a match does at its ticks."""
        if not self.closed_times:
            self.gate.collect((self.member,), [], 0, 8, self.metrics, self.failed)
            asyncio.get_running_loop().call_later(0.01, self.poll)

    def failed(self) -> None:
        raise AssertionError("connections see to their own failures")

    def became_writable(self) -> None:
        self.became_writable_times += 1

    def closed(self) -> None:
        self.closed_times += 1
        self.gate.sessions_open -= 1
        self.gate.closed_twice |= self.closed_times > 1
        self.connection.write(b"ignored")
        self.connection.close(CloseCode.NORMAL)


class FakeGate:
    """Tokens say what happens to them; tickets work once."""

    def __init__(self) -> None:
        self.sessions: list[FakeSession] = []
        self.sessions_open = 0
        self.closed_twice = False
        self.asked: list[Credentials] = []
        self.tickets = {"t1", "t2"}
        self.hold = asyncio.Event()
        self.holding = 0
        self.cancelled = 0
        self.collect: Callable[..., None] | None = None

    async def admit(self, credentials: Credentials) -> Admission:
        self.asked.append(credentials)
        if credentials.ticket is not None:
            if credentials.ticket not in self.tickets:
                raise TokenRefused("bad_ticket", "used")
            self.tickets.discard(credentials.ticket)
            return admission("ticket", credentials.client)
        match credentials.token:
            case "expired":
                raise TokenRefused("expired", "too old")
            case "banned":
                raise TokenRefused("banned", "not you", status=403)
            case "twice":
                raise AlreadyConnected("close the other one")
            case "full":
                raise Overloaded("server_full", "full", retry_after_s=7)
            case "down":
                raise StoreUnavailable("no store")
            case "bug":
                raise RuntimeError("a bug in the gate")
            case "slow":
                self.holding += 1
                try:
                    await self.hold.wait()
                except asyncio.CancelledError:
                    self.cancelled += 1
                    raise
                finally:
                    self.holding -= 1
        return admission(credentials.token or "", credentials.client)

    def open(self, connection: Connection, admission: Admission) -> FakeSession:
        identity = admission.identity
        if identity.name == "unopenable":
            raise RuntimeError("a bug in opening")
        session = FakeSession(self, connection, identity)
        self.sessions.append(session)
        self.sessions_open += 1
        if self.collect is not None:
            connection.polled(True)
            session.poll()
        return session


def admission(name: str, client: str = "") -> Admission:
    identity = Identity(
        player_id=PlayerId(name), name=name, groups=(), expires_ms=2**50, token_use="access"
    )
    return Admission(identity=identity, client=client)


class Harness:
    def __init__(
        self,
        gate: FakeGate,
        config: Config,
        *,
        collect: Callable[..., None] | None = None,
        network: NetworkSimulation | None = None,
    ) -> None:
        self.gate = gate
        gate.collect = collect
        self.metrics = Metrics()
        self.server = WsServer(config, gate, self.metrics, network=network)
        self.port = 0
        self.peers: list[Peer] = []
        self.tls: ssl.SSLContext | None = None
        if config.tls_cert_file:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.tls.check_hostname = False
            self.tls.load_verify_locations(config.tls_cert_file)
            self.tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN

    async def start(self) -> None:
        self.port = await self.server.start()

    async def peer(self, *, tls: bool = True) -> Peer:
        """A connection, over TLS where the server has it, unless ``tls`` is false."""
        secure = self.tls if tls else None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=secure)
        self.peers.append(Peer(reader, writer))
        return self.peers[-1]

    async def upgraded(self, **request: Any) -> Peer:
        """A peer whose handshake was accepted."""
        peer = await self.peer()
        await peer.send(http_request(**request))
        answer = await peer.answer()
        assert answer.status == 101, answer
        return peer

    async def ask(self, raw: bytes) -> Answer:
        """Send ``raw`` on a connection of its own; the answer, after which it is closed."""
        peer = await self.peer()
        await peer.send(raw)
        answer = await peer.answer()
        await peer.expect_end()
        return answer


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


def http_request(
    path: str = "/v1/play",
    *,
    token: str | None = "good",
    method: str = "GET",
    version: str = "HTTP/1.1",
    drop: tuple[str, ...] = (),
    extra: tuple[str, ...] = (),
    **headers: str,
) -> bytes:
    """A handshake; ``Upgrade="x"`` replaces a header, ``drop`` leaves one out."""
    fields = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    if token is not None:
        fields["Authorization"] = f"Bearer {token}"
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if name not in drop]
    return "\r\n".join([f"{method} {path} {version}", *lines, *extra, "", ""]).encode("latin-1")


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    length_bytes: int | None = None,
    claim: int | None = None,
) -> bytes:
    """One frame, right or wrong: ``length_bytes`` 2 or 8 forces a long form, ``claim`` states
    another length."""
    length = len(payload) if claim is None else claim
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65_536 else 8
    short = {0: length, 2: 126, 8: 127}[length_bytes]
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode, (0x80 if masked else 0) | short])
    head += length.to_bytes(length_bytes, "big") if length_bytes else b""
    if not masked:
        return head + payload
    mask = _masks.randbytes(4)
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


_masks = random.Random(1)  # frames stand in names of tests, which must be the same in every process


class Closed(msgspec.Struct, frozen=True):
    code: int
    reason: str


class Peer:
    """The client's side of a raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        try:
            await self.writer.drain()
        except ConnectionError:
            if self.writer.can_write_eof():
                raise
            # The server has ended TLS, and so the client may not write any more.

    async def answer(self) -> Answer:
        async with asyncio.timeout(TIMEOUT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(status=int(first.split(" ")[1]), headers=headers, body=body)

    async def frame(self) -> tuple[int, bytes]:
        """The next frame from the server: never masked, never fragmented."""
        async with asyncio.timeout(TIMEOUT_S):
            first, second = await self.reader.readexactly(2)
            assert first & 0xF0 == 0x80 and second < 0x80
            length = second
            if length == 126:
                length = int.from_bytes(await self.reader.readexactly(2), "big")
            elif length == 127:
                length = int.from_bytes(await self.reader.readexactly(8), "big")
            return first & 0x0F, await self.reader.readexactly(length)

    async def close_code(self) -> Closed:
        """Skip to the close frame."""
        while True:
            opcode, payload = await self.frame()
            if opcode == CLOSE:
                if not payload:
                    return Closed(1005, "")
                return Closed(int.from_bytes(payload[:2], "big"), payload[2:].decode())

    async def expect_end(self) -> None:
        """The server closes its side and, once we close ours, the connection."""
        assert await self.rest() == b""

    async def rest(self) -> bytes:
        """All that still comes until the server closes its side; then this side is closed."""
        async with asyncio.timeout(TIMEOUT_S):
            try:
                rest = await self.reader.read()
            except ConnectionResetError:
                rest = b""
        await self.close()
        return rest

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (ConnectionError, ssl.SSLError):
            pass  # what the server had still sent when this side closed is no fault of either

    async def finish(self) -> bytes:
        """Say that nothing more comes; all that the server still says. TLS knows no connection
        that is closed on one side only: there this closes both."""
        if not self.writer.can_write_eof():
            await self.close()
            return b""
        self.writer.write_eof()
        return await self.rest()
