"""Cases that have shown something once, or that a known defect needs: they are tried first, always.

What was found over HTTP stands in ``tests/adapters/test_http_server.py``."""

from __future__ import annotations

ODD_INPUT = b'{"type":"input","seq":3,"d\\u0061ta":[]}'
LEFT = (
    "300000010009828311223030832130020051829530303030822020c6b5555b2565815220758452297e575d300282"
    "9511223344822027c6b5555b2565815220758452297e575d3005829511223344822026c6b5555b25658152207584"
    "52297e575d300400001b829511223344822032c6b5555b25658152207584297e575d301002"
)
FOUND: list[tuple[str, str, str]] = [
    # (target, what a wrong program does with it, the case as hex)
    ("frames", "takes a frame with an extension's bit", "30c29430303030" + "30" * 20),
    ("frames", "takes its own frame back", "3082023030"),
    ("frames", "refuses the beginning of a frame before its rest", "8182" + "00" * 4 + "8182"),
    ("frames", "closes over a text that is none without saying so", "31" + "818100000000ff"),
    ("frames", "a text is cut inside of a character", "31" + "018100000000c3" + "808100000000a9"),
    ("message", "raises for an unknown kind", "305b33"),
    ("message", "raises for a nesting without end", "00" + "91" * 5000),
    ("message", "an input that is an array, and its name escaped", "07" + ODD_INPUT.hex()),
    ("message", "takes a number that is none", "01" + b'{"type":"ping","sent":NaN}'.hex()),
    ("cut", "reads behind its end", "0000000281a0" + "81a0db7fffffff"),
    ("cut", "a map of more entries than there are bytes", "0000000180" + "dfffffffff"),
    ("usual", "reads behind its end", b'{"v":1,"records":[{"id":"m/1","match":"'.hex()),
    ("usual", "a string that ends in an escape", b'{"v":1,"records":[{"id":"\\'.hex()),
    ("usual", "two keys alike", b'{"v":1,"records":[{"":1,"":2}]}'.hex()),
    ("hot", "forgets inputs of others where a player leaves in the same tick", LEFT),
    ("handshake", "answers with the token", b"GET / HTTP/1.1\r\nAuthorization: Bearer ".hex()),
]
