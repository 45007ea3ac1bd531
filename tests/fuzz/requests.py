"""Requests by hand: handshakes for the WebSocket port, and whatever for the HTTP API's."""

from __future__ import annotations

import random

from tests.fuzz import corpus, mutate

METHODS = (
    b"GET",
    b"POST",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"HEAD",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"BREW",
    b"get",
    b"G\x00T",
    b"",
)
VERSIONS = (
    b"HTTP/1.1",
    b"HTTP/1.1",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/1.1x",
    b"http/1.1",
    b"HTTP/9.9",
    b"",
)
PATHS = (
    b"/v1/play", b"/", b"/healthz", b"/readyz", b"/metrics", b"/v1/auth/login", b"/v1/tickets",
    b"/v1/matches", b"/v1/matches/x", b"/v1/leaderboards/arena/duel", b"/v1/profiles/me",
    b"/v1/matchmaking/tickets", b"/v1/admin/matches", b"/v1/openapi.json", b"/v1/friends",
    b"/v1/parties", b"http://elsewhere/v1/play", b"*", b"//", b"/%00", b"/..%2f..%2fetc/passwd",
    b"/v1/play?ticket=", b"/v1/play?token=eyJh.eyJi.c", b"/v1/play?" + b"a=1&" * 40,
    b"/v1/matches?limit=-1&cursor=%ff", b"/" + b"x" * 9000, b"/\xff\xfe", b"",
)  # fmt: skip
HEADERS = (
    b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: -1", b"Content-Length: 5, 6",
    b"Content-Length: 99999999999999999999", b"Content-Length: +5", b"Content-Length: 0x5",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding: xchunked", b" folded: yes",
    b"Host: a", b"Host: b", b"Host:", b"Host: \xff", b"Expect: 100-continue", b"Expect: 1",
    b"Connection: keep-alive, Upgrade", b"Connection: close", b"Connection:", b"Upgrade: h2c",
    b"Upgrade: websocket", b"Upgrade: websocket, foo", b"Sec-WebSocket-Version: 13, 8",
    b"Sec-WebSocket-Version: 99", b"Sec-WebSocket-Key: short", b"Sec-WebSocket-Key: dGhl\xff",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Protocol: " + b"a," * 300,
    b"Sec-WebSocket-Protocol: gameserver.v1.json, bearer.", b"Sec-WebSocket-Protocol: bearer.x.y.z",
    b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8",
    b"Sec-WebSocket-Extensions: ;;;=", b"Origin: null", b"Origin: https://elsewhere.example",
    b"Authorization: Bearer ", b"Authorization: Bearer a.b.c", b"Authorization: Basic QTpC",
    b"Authorization: Bearer " + b"e" * 8000, b"X-Forwarded-For: 1.2.3.4, ::1, junk",
    b"Content-Type: application/json", b"Content-Type: multipart/form-data; boundary=x",
    b"Content-Type: text/\x00", b"Content-Encoding: gzip", b"Content-Encoding: br",
    b"Idempotency-Key: " + b"k" * 300, b"X-Request-Id: \xff\xff", b"Cookie: a=b; c", b"no colon",
    b": nameless", b"bad name: x", b"bare\rreturn: x", b"nul: \x00", b"X: " + b"y" * 20_000,
    b"Range: bytes=0-0,1-1", b"Accept: */*;q=", b"If-None-Match: \"",
    b"Access-Control-Request-Method: POST",
)  # fmt: skip
BODIES = (
    b"", b"hello", b"{}", b"[]", b"null", b"NaN", b'{"username":"a","password":"b"}',
    b'{"username":"a","username":1,"password":null}', b'{"game":"arena","mode":"' + b"x" * 5000,
    b"[" * 20_000, b'{"a":' * 5_000, b"9" * 15_000, b'"\\ud800"', b'"\xff"', b"\xef\xbb\xbf{}",
    b"\x00" * 100, b'{"refresh_token":"' + b"r" * 20_000 + b'"}',
    b"\x1f\x8b\x08\x00" + b"\x00" * 50,
)  # fmt: skip
CHUNKS = (
    b"5\r\nhello\r\n0\r\n\r\n", b"5;ext=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n", b"0\r\n\r\n",
    b"FFFFFFFFFFFFFFFF\r\nx\r\n", b"-1\r\n", b"5\nhello\n0\n\n", b"05\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhel", b"zz\r\n", b"1\r\nx\r\n" * 200 + b"0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
)  # fmt: skip
GOOD = (
    b"GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b'Content-Length: 31\r\n\r\n{"username":"a","password":"b"}',
    b"POST /v1/tickets HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /v1/matches?game=arena HTTP/1.1\r\nHost: a\r\n\r\n",
)
SMUGGLED = b"GET /v1/admin/matches HTTP/1.1\r\nHost: smuggled\r\n\r\n"


def handshake(chance: random.Random) -> bytes:
    """A request for an upgrade, nearly always with something wrong."""
    known = chance.choice(corpus.handshakes())
    match chance.randrange(8):
        case 0:
            return mutate.mutated(chance, known, corpus.handshakes())
        case 1:
            return known[: chance.randrange(len(known))]
        case 2:
            return known + chance.choice((known, SMUGGLED, b"\x82\x80\x00\x00\x00\x00", b"x"))
        case 3:
            return _huge(chance, known)
        case 4:
            return chance.randbytes(chance.choice((1, 5, 100, 3000)))
        case 5:
            return b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(200)
    return _with_headers(chance, known)


def api(chance: random.Random) -> bytes:
    """One request or several behind one another, as no library would write them."""
    made = b""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        match chance.randrange(6):
            case 0:
                made += chance.choice(GOOD)
            case 1:
                made += mutate.mutated(chance, chance.choice(GOOD), GOOD)
            case 2:
                made += _smuggling(chance)
            case 3:
                made += handshake(chance)
            case _:
                made += _request(chance)
    return made


def _request(chance: random.Random) -> bytes:
    body = chance.choice((*BODIES, *CHUNKS))
    lines = [b" ".join((chance.choice(METHODS), chance.choice(PATHS), chance.choice(VERSIONS)))]
    lines += [chance.choice(HEADERS) for _ in range(chance.choice((0, 1, 2, 4, 8)))]
    if chance.random() < 0.7:
        lines += [b"Host: a", b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    end = chance.choice((b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"))
    return end.join(lines) + 2 * end + body


def _smuggling(chance: random.Random) -> bytes:
    """Two lengths that contradict each other, and a request inside of what one of them leaves."""
    length = b"Content-Length: %d" % chance.choice((0, 4, 5, len(SMUGGLED), len(SMUGGLED) + 5))
    chunked = chance.choice([one for one in HEADERS if one.startswith(b"Transfer")])
    pair = chance.choice(([length, chunked], [chunked, length], [length, b"Content-Length: 3"]))
    lines = [b"POST /v1/auth/login HTTP/1.1", b"Host: a", b"Content-Type: application/json", *pair]
    return b"\r\n".join(lines) + b"\r\n\r\n0\r\n\r\n" + SMUGGLED


def _with_headers(chance: random.Random, known: bytes) -> bytes:
    lines = known[:-4].split(b"\r\n")
    for _ in range(chance.choice((1, 1, 2, 5))):
        match chance.randrange(4):
            case 0 if len(lines) > 1:
                del lines[chance.randrange(1, len(lines))]
            case 1:
                lines[0] = b" ".join(
                    (chance.choice(METHODS), chance.choice(PATHS), chance.choice(VERSIONS))
                )
            case _:
                lines.insert(chance.randrange(1, len(lines) + 1), chance.choice(HEADERS))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _huge(chance: random.Random, known: bytes) -> bytes:
    """Over a limit: a line, a name, a number of lines, or a head that never ends."""
    line, _, rest = known.partition(b"\r\n")
    match chance.randrange(4):
        case 0:
            return (
                line + b"\r\nX: " + b"y" * chance.choice((8_000, 20_000, 70_000)) + b"\r\n" + rest
            )
        case 1:
            return line + b"\r\n" + b"X: y\r\n" * chance.choice((100, 127, 129, 9_000)) + rest
        case 2:
            return (
                b"GET /" + b"a" * chance.choice((8_000, 16_384, 70_000)) + line[4:] + b"\r\n" + rest
            )
    return line + b"\r\n" + b"X" * 200_000
