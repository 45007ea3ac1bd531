"""The vectors for other languages are what this code writes and reads."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gameserver.wire import from_client, to_client
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import BadMessage, Format, decode_server, decoder_for
from gameserver.wire.delta import ViewTracker
from tests.wire import js_table, vectors
from tests.wire.values import MoveGame, View

MESSAGES = list(vectors.messages())


def payload_of(vector: dict[str, Any] | str, format: Format) -> bytes:
    shown = vector if isinstance(vector, str) else vector.get("hex", vector.get("text", ""))
    return shown.encode() if format is Format.JSON else bytes.fromhex(shown)


@pytest.mark.parametrize("name", vectors.FILES)
def test_the_files_are_up_to_date(name: str) -> None:
    stored = (vectors.FOLDER / name).read_text(encoding="utf-8")
    assert stored == vectors.written(vectors.FILES[name]()), (
        "the wire has changed: run `python -m tests.wire.vectors` and review the difference"
    )


def test_the_table_of_the_sdk_is_up_to_date() -> None:
    assert js_table.PATH.read_text(encoding="utf-8") == js_table.written(), (
        "the messages have changed: run `python -m tests.wire.vectors`"
    )


@pytest.mark.parametrize(
    "vector", MESSAGES, ids=lambda vector: f"{vector['name']}-{vector['format']}"
)
def test_a_vector_reads_as_its_fields(vector: dict[str, Any]) -> None:
    format = Format(vector["format"])
    payload = payload_of(vector, format)
    if vector["direction"] == "from_client":
        message = decoder_for(MoveGame(), format).decode(payload)
        name = "input" if isinstance(message, from_client.Input) else None
        name = name or from_client.JSON_NAMES[type(message)]
    else:
        message = decode_server(payload, format)
        name = to_client.JSON_NAMES[type(message)]
    assert {"type": name, **vectors._fields(message, format)} == vector["fields"]


def test_every_message_has_a_vector_in_both_formats() -> None:
    there = {
        (vector["format"], vector["direction"], vector["fields"]["type"]) for vector in MESSAGES
    }
    for format in Format:
        for module in (from_client, to_client):
            direction = module.__name__.rpartition(".")[2]
            for name in module.JSON_NAMES.values():
                assert (format, direction, name) in there


def test_every_error_code_and_close_code_has_a_vector() -> None:
    told = {vector["fields"].get("code") for vector in MESSAGES}
    assert told >= {code.value for code in to_client.ErrorCode}
    closes = json.loads((vectors.FOLDER / "close_codes.json").read_text(encoding="utf-8"))
    assert {each["code"] for each in closes} == set(map(int, CloseCode))


def test_refusals_and_oddities_are_what_the_vectors_say() -> None:
    for vector in json.loads((vectors.FOLDER / "refused.json").read_text(encoding="utf-8")):
        format = Format(vector["format"])
        with pytest.raises(BadMessage) as caught:
            decoder_for(MoveGame(), format).decode(payload_of(vector, format))
        assert (caught.value.code.value, caught.value.ref) == (vector["code"], vector["ref"])
    for vector in json.loads((vectors.FOLDER / "tolerated.json").read_text(encoding="utf-8")):
        format = Format(vector["format"])
        if vector["type"] in to_client.JSON_NAMES.values():
            message = decode_server(payload_of(vector, format), format)
            assert to_client.JSON_NAMES[type(message)] == vector["type"]


def test_the_view_vectors_lead_to_their_views() -> None:
    for vector in json.loads((vectors.FOLDER / "views.json").read_text(encoding="utf-8")):
        format = Format(vector["format"])
        tracker = ViewTracker(View, format=format)
        kinds = []
        for shown, expected in zip(vector["messages"], vector["views"], strict=True):
            message = decode_server(payload_of(shown, format), format)
            assert isinstance(message, to_client.Snapshot | to_client.Delta)
            kinds.append(type(message))
            view = tracker.apply(message)
            assert msgspec.to_builtins(view, str_keys=True) == expected
        assert {to_client.Snapshot, to_client.Delta} == set(kinds)
