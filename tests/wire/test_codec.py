"""The codec: identity in both formats, and nothing but ``BadMessage`` for anything else."""

from __future__ import annotations

import json
import math

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gameserver.wire import from_client, to_client
from gameserver.wire.codec import (
    BadMessage,
    ClientDecoder,
    Format,
    decode_server,
    decoder_for,
    encode,
    encode_client,
    encode_value,
)
from gameserver.wire.plain import DEPTH_MAX
from gameserver.wire.to_client import ErrorCode
from tests.wire import values
from tests.wire.values import (
    FORMATS,
    Loose,
    LooseGame,
    Move,
    MoveGame,
    Tagged,
    TaggedGame,
    unhurried,
)

GAMES = [None, MoveGame(), LooseGame(), TaggedGame()]
pack = msgspec.msgpack.encode


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def refused(payload: bytes, game: object = None, format: Format = Format.MSGPACK) -> BadMessage:
    with pytest.raises(BadMessage) as caught:
        decoder_for(game, format).decode(payload)  # type: ignore[arg-type]
    assert 0 < len(str(caught.value)) <= 200
    return caught.value


# ── identity ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("format", FORMATS)
@unhurried
@given(message=values.from_clients)
def test_client_messages_come_back_as_they_were(
    format: Format, message: from_client.FromClient
) -> None:
    payload = encode_client(message, format)
    for game in GAMES:
        decoded = decoder_for(game, format).decode(payload)
        assert decoded == message
        assert type(decoded) is type(message)


@pytest.mark.parametrize("format", FORMATS)
@unhurried
@given(seq=st.integers(1, 2**32 - 1), data=values.moves)
def test_an_input_is_decoded_into_the_games_type(format: Format, seq: int, data: Move) -> None:
    payload = encode_client(from_client.Input(seq, msgspec.Raw()), format, data)
    match decoder_for(MoveGame(), format).decode(payload):
        case from_client.Input(seq=decoded_seq, data=decoded):
            assert (decoded_seq, decoded) == (seq, data)
        case other:
            pytest.fail(f"not an Input: {other}")


@pytest.mark.parametrize("format", FORMATS)
def test_an_input_without_a_game_is_not_looked_into(format: Format) -> None:
    raw = encode_value({"any": [1, "thing"]}, format)
    payload = encode_client(from_client.Input(3, raw), format)
    decoded = decoder_for(None, format).decode(payload)
    assert isinstance(decoded, from_client.Input)
    assert (decoded.seq, bytes(decoded.data)) == (3, bytes(raw))


@pytest.mark.parametrize("format", FORMATS)
@unhurried
@given(data=st.data())
def test_server_messages_come_back_as_they_were(format: Format, data: st.DataObject) -> None:
    message = data.draw(values.to_clients(format))
    decoded = decode_server(encode(message, format), format)
    assert decoded == message
    assert type(decoded) is type(message)


def test_decoders_are_cached_per_game_class_and_format() -> None:
    assert decoder_for(MoveGame(), Format.JSON) is decoder_for(MoveGame(), Format.JSON)
    assert decoder_for(MoveGame(), Format.JSON) is not decoder_for(MoveGame(), Format.MSGPACK)
    assert isinstance(decoder_for(None, Format.JSON), ClientDecoder)


def test_json_messages_are_objects_with_a_type() -> None:
    join = from_client.Join(1, "arena", "", "", from_client.Resume(5, 6))
    assert json.loads(encode_client(join, Format.JSON)) == {
        "type": "join",
        "ref": 1,
        "game": "arena",
        "mode": "",
        "match": "",
        "resume": {"epoch": 5, "seq": 6},
        "code": "",
        "password": "",
    }
    error = to_client.Error(ErrorCode.MATCH_FULL, "try another", 1)
    assert json.loads(encode(error, Format.JSON)) == {
        "type": "error",
        "code": "match_full",
        "message": "try another",
        "ref": 1,
    }


def test_fields_left_out_take_their_defaults() -> None:
    assert decoder_for(None, Format.JSON).decode(b'{"type":"join"}') == from_client.Join()
    assert decoder_for(None, Format.MSGPACK).decode(pack([1, 7])) == from_client.Join(7)


def test_a_client_reads_messages_of_a_newer_server() -> None:
    assert decode_server(pack([9, "store", "new"]), Format.MSGPACK) == to_client.Paused("store")
    text = b'{"type":"paused","reason":"store","new":1}'
    assert decode_server(text, Format.JSON) == to_client.Paused("store")


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────

DEEP = 100_000
MALFORMED = {
    "empty": b"",
    "not an array": pack({"a": 1}),
    "empty array": pack([]),
    "unknown number": pack([99, 1]),
    "negative number": pack([-1, 1]),
    "number as text": pack(["join"]),
    "trailing bytes": pack([3, 1]) + b"\0",
    "too many fields": pack([3, 1, 1]),
    "truncated": pack([1, 1, "arena"])[:-1],
    "never used byte": b"\xc1",
    "array of 2^32 elements": b"\xdd\xff\xff\xff\xff",
    "string of 2^32 bytes": b"\x92\x05\xdb\xff\xff\xff\xff",
    "deep": b"\x91" * DEEP,
    "deep data": b"\x93\x02\x01" + b"\x91" * DEEP,
    "deep map": b"\x93\x02\x01" + b"\x81\x01" * DEEP,
    "not UTF-8": b"\x93\x01\x01\xa2\xff\xff",
    "ref too large": pack([3, 2**32]),
    "ref negative": pack([3, -1]),
    "name too long": pack([1, 1, "x" * 65]),
    "token too long": pack([5, 1, "x" * 8193]),
    "seq 0": pack([2, 0, {}]),
    "no data": pack([2, 1]),
    "NaN": pack([4, math.nan]),
    "infinity": pack([4, -math.inf]),
    "resume cut": pack([1, 1, "a", "b", "c", [1]]),
}
MALFORMED_JSON = {
    "empty": b"",
    "not JSON": b"hello",
    "array": b"[3,1]",
    "no type": b"{}",
    "unknown type": b'{"type":"fly"}',
    "type of another kind": b'{"type":3}',
    "unknown field": b'{"type":"leave","reff":1}',
    "trailing": b'{"type":"leave"}{}',
    "byte order mark": b'\xef\xbb\xbf{"type":"leave"}',
    "not UTF-8": b'{"type":"join","game":"\xff"}',
    "lone surrogate": b'{"type":"join","game":"\\ud800"}',
    "NaN": b'{"type":"ping","sent":NaN}',
    "infinity": b'{"type":"ping","sent":1e999}',
    "huge number": b'{"type":"ping","sent":' + b"9" * 16000 + b"}",
    "deep": b"[" * DEEP,
    "deep data": b'{"type":"input","seq":1,"data":' + b"[" * DEEP,
    "deep unknown": b'{"x":' + b'{"x":' * DEEP,
}


@pytest.mark.parametrize("game", GAMES, ids=lambda game: getattr(game, "name", "none"))
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_msgpack_is_a_bad_message(name: str, game: object) -> None:
    assert refused(MALFORMED[name], game).code is ErrorCode.BAD_MESSAGE or name == "deep data"


@pytest.mark.parametrize("game", GAMES, ids=lambda game: getattr(game, "name", "none"))
@pytest.mark.parametrize("name", MALFORMED_JSON)
def test_malformed_json_is_a_bad_message(name: str, game: object) -> None:
    assert refused(MALFORMED_JSON[name], game, Format.JSON).code is ErrorCode.BAD_MESSAGE


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("game", "data"),
    [
        (MoveGame(), {"dx": 2, "dy": 0}),
        (MoveGame(), {"dx": 0}),
        (MoveGame(), [0, 0]),
        (MoveGame(), None),
        (LooseGame(), {"amount": 1.5}),
        (TaggedGame(), {"type": "other", "text": ""}),
        (TaggedGame(), {"type": "tagged", "text": "boom"}),
    ],
)
def test_wrong_data_of_an_input_is_a_bad_input(format: Format, game: object, data: object) -> None:
    if format is Format.MSGPACK:
        payload = pack([2, 77, data])
    else:
        payload = dump({"type": "input", "seq": 77, "data": data})
    bad = refused(payload, game, format)
    assert (bad.code, bad.ref) == (ErrorCode.BAD_INPUT, 77)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_do_not_reach_a_game(value: float) -> None:
    for data in ({"aim": value}, {"note": [value]}, {"note": {"deep": {"er": value}}}):
        assert refused(pack([2, 1, data]), LooseGame()).code is ErrorCode.BAD_INPUT


def test_whole_numbers_beyond_64_bits_do_not_reach_a_game() -> None:
    decode = decoder_for(LooseGame(), Format.JSON).decode
    for number, fits in (
        (2**64 - 1, True),
        (2**64, False),
        (-(2**63), True),
        (-(2**63) - 1, False),
    ):
        payload = dump({"type": "input", "seq": 1, "data": {"amount": number}})
        if fits:
            message = decode(payload)
            assert isinstance(message, from_client.Input)
            assert message.data == Loose(amount=number)
        else:
            assert refused(payload, LooseGame(), Format.JSON).code is ErrorCode.BAD_INPUT


@pytest.mark.parametrize("format", FORMATS)
def test_nesting_is_bounded(format: Format) -> None:
    def payload(depth: int) -> bytes:
        note: object = 0
        for _ in range(depth):
            note = [note]
        return encode_client(from_client.Input(1, msgspec.Raw()), format, Loose(note=note))

    decoder_for(LooseGame(), format).decode(payload(DEPTH_MAX - 1))
    bad = refused(payload(DEPTH_MAX), LooseGame(), format)
    assert (bad.code, str(bad)) == (ErrorCode.BAD_INPUT, f"nested deeper than {DEPTH_MAX}")
    assert refused(payload(900), LooseGame(), format).code is ErrorCode.BAD_INPUT


def test_the_ref_is_recovered() -> None:
    assert refused(pack([1, 41, 5])).ref == 41
    assert refused(pack([5, 42])[:-1] + b"\x2a\xc0").ref == 0
    assert refused(pack([3, 43, 1])).ref == 43
    assert refused(dump({"type": "join", "ref": 44, "game": 5}), None, Format.JSON).ref == 44
    assert refused(dump({"type": "leave", "ref": "x"}), None, Format.JSON).ref == 0
    assert refused(pack([4, "x"])).ref == 0


def test_an_error_names_the_field() -> None:
    assert str(refused(pack([1, 41, 5]))) == "Expected `str`, got `int` - at `$.game`"
    bad = refused(pack([2, 1, {"dx": 5, "dy": 0}]), MoveGame())
    assert str(bad) == "Expected `int` <= 1 - at `$.data.dx`"


def test_an_error_says_what_is_wrong_with_the_bytes() -> None:
    assert str(refused(MALFORMED["not UTF-8"])) == "a string is not UTF-8"
    assert str(refused(MALFORMED["deep data"])) == "nested too deeply"


def test_a_long_quotation_is_cut() -> None:
    assert len(str(refused(dump({"type": "x" * 9000}), None, Format.JSON))) == 200


# ── whatever the bytes ───────────────────────────────────────────────────────────────────────────


def decode_all(payload: bytes) -> None:
    """Every decoder takes ``payload`` or raises ``BadMessage``."""
    for format in FORMATS:
        for game in GAMES:
            try:
                message = decoder_for(game, format).decode(payload)
            except BadMessage as bad:
                assert 0 <= bad.ref < 2**32
                assert len(str(bad)) <= 200
            else:
                assert isinstance(message, from_client.FromClient)
        try:
            decode_server(payload, format)
        except BadMessage:
            continue


@unhurried
@given(payload=st.binary(max_size=64))
@example(payload=b"\x93\x02\x01\xd6\xff\xff\xff\xff\xff")
def test_random_bytes(payload: bytes) -> None:
    decode_all(payload)
    decode_all(b"\x93\x02\x01" + payload)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid message with some bytes replaced, taken out or put in."""
    format = draw(st.sampled_from(FORMATS))
    data = draw(
        values.moves
        | st.builds(Loose, st.floats(), st.integers(-9, 9), values.plain)
        | st.builds(Tagged, st.just("ok"))
    )
    message = draw(values.from_clients | st.builds(from_client.Input, st.just(9), st.just(b"")))
    payload = bytearray(encode_client(message, format, data))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(payload)))
        payload[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(payload)


@unhurried
@given(payload=mutated())
def test_mutated_messages(payload: bytes) -> None:
    decode_all(payload)


@unhurried
@given(payload=mutated())
def test_what_is_accepted_can_be_encoded_again(payload: bytes) -> None:
    for format in FORMATS:
        for game in GAMES:
            try:
                message = decoder_for(game, format).decode(payload)
            except BadMessage:
                continue
            again = decoder_for(game, format).decode(encode_client(message, format))
            if game is not None or not isinstance(message, from_client.Input):
                assert again == message
