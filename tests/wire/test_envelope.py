"""Envelopes open where they belong, with their key, unchanged, and nowhere else."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.wire import envelope, event_record, sealed_record
from gameserver.wire.envelope import BadEnvelope, DataKey
from gameserver.wire.event_record import EventRecord
from gameserver.wire.key_cache import KeyCache

KEY = DataKey(b"k" * 16, b"s" * 32, b"w" * 190)
OTHER = DataKey(b"o" * 16, b"t" * 32, b"v" * 190)
PLACE = ("event", "m1/7", "name")


def counting() -> envelope.RandomBytes:
    """Nonces that differ, and are the same in every run."""
    count = iter(range(1_000_000))
    return lambda size: hashlib.sha256(b"%d" % next(count)).digest()[:size]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(VALUES)
def test_a_field_comes_back_as_it_was(value: Any) -> None:
    sealed = envelope.seal_field(KEY, value, PLACE, random=counting())
    assert envelope.field_key(sealed) == KEY.id
    assert envelope.open_field(KEY.cipher, sealed, PLACE) == value


@given(st.binary(max_size=5_000))
def test_a_blob_comes_back_as_it_was(plain: bytes) -> None:
    sealed = envelope.seal_blob(KEY, plain, ("checkpoint", "m1"), random=counting())
    assert envelope.blob_key(sealed) == (KEY.id, KEY.wrapped)
    assert envelope.open_blob(KEY.cipher, sealed, ("checkpoint", "m1")) == plain
    assert len(plain) < 8 or plain not in sealed


@pytest.mark.parametrize(
    "place", [("event", "m1/8", "name"), ("event", "m1/7", "text"), ("event", "m1", "7", "name")]
)
def test_an_envelope_does_not_open_elsewhere(place: envelope.Place) -> None:
    sealed = envelope.seal_field(KEY, "Ada", PLACE, random=counting())
    with pytest.raises(BadEnvelope, match="not of this place"):
        envelope.open_field(KEY.cipher, sealed, place)


def test_an_envelope_opens_with_its_own_key_only() -> None:
    sealed = envelope.seal_field(KEY, "Ada", PLACE, random=counting())
    with pytest.raises(BadEnvelope):
        envelope.open_field(OTHER.cipher, sealed, PLACE)


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_changed_blob_does_not_open(at: int, change: int) -> None:
    sealed = bytearray(envelope.seal_blob(KEY, b"state" * 20, ("t",), random=counting()))
    at %= len(sealed)
    sealed[at] ^= change
    blob = bytes(sealed)
    found = envelope.blob_key(blob)
    if found == (KEY.id, KEY.wrapped):
        with pytest.raises(BadEnvelope):
            envelope.open_blob(KEY.cipher, blob, ("t",))


@pytest.mark.parametrize(
    "text", ["", "Ada", "gs1.", "gs1.!!", "gs1.AAAA", "gs2." + "A" * 80, None, 3]
)
def test_what_is_no_envelope_is_told_apart(text: Any) -> None:
    assert envelope.field_key(text) is None


def test_a_reference_names_its_key() -> None:
    assert envelope.read_reference(envelope.reference(KEY)) == (KEY.id, KEY.wrapped)
    for wrong in ("", "abc", "abc.def", envelope.key_name(KEY.id) + "."):
        with pytest.raises(BadEnvelope):
            envelope.read_reference(wrong)


def test_a_wrapped_key_has_a_bound() -> None:
    with pytest.raises(ValueError, match="513 bytes"):
        DataKey(b"k" * 16, b"s" * 32, b"w" * 513)


def joined(name: Any = "Zoë 😀") -> EventRecord:
    return EventRecord(
        id="m1/7",
        match="m1",
        seq=7,
        epoch=1,
        tick=3,
        game="g",
        mode="m",
        kind="player_joined",
        player="p",
        at_ms=5,
        data={"name": name, "seat": 1},
    )


def test_a_record_keeps_what_is_not_sensitive_and_survives_its_encoding() -> None:
    record = joined()
    sealed = sealed_record.seal(record, ["name"], KEY, random=counting())
    encoded = event_record.encode_record(sealed)
    assert "Zoë".encode() not in encoded
    found = event_record.decode_record(encoded)
    assert found == sealed
    assert found.data["seat"] == 1
    assert sealed_record.keys(found.data) == {KEY.id}
    assert found.key is not None
    assert envelope.read_reference(found.key) == (KEY.id, KEY.wrapped)
    assert sealed_record.opened(found.data, found.id, {KEY.id: KEY.cipher}) == record.data
    assert sealed_record.opened(found.data, found.id, {}) == found.data


def test_a_record_without_sealed_fields_is_encoded_as_ever() -> None:
    assert b'"key"' not in event_record.encode_record(joined())


def test_the_digest_does_not_depend_on_how_the_key_is_wrapped() -> None:
    sealed = sealed_record.seal(joined(), ["name"], KEY, random=counting())
    rewrapped = DataKey(KEY.id, b"s" * 32, b"W" * 200)
    again = sealed_record.seal(joined(), ["name"], rewrapped, random=counting())
    assert again.key != sealed.key
    assert event_record.digest(again) == event_record.digest(sealed)
    other = sealed_record.seal(joined("Bob"), ["name"], KEY, random=counting())
    assert event_record.digest(other) != event_record.digest(sealed)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5))
def test_the_size_of_a_sealed_record_is_foreseen(data: dict[str, Any]) -> None:
    import msgspec

    record = msgspec.structs.replace(joined(), data=data)
    key = DataKey(b"k" * 16, b"s" * 32, b"w" * 512)
    sealed = sealed_record.seal(record, list(data), key, random=counting())
    foreseen = envelope.sealed_bytes_max(len(event_record.encode_record(record)), len(data))
    assert len(event_record.encode_record(sealed)) <= foreseen


def test_the_cache_is_bounded_in_number_and_time() -> None:
    cache = KeyCache(keys_max=2, ttl_s=10)
    cache.put(b"a", KEY.cipher, 0)
    cache.put(b"b", KEY.cipher, 1)
    assert cache.get(b"a", 2) is KEY.cipher
    cache.put(b"c", KEY.cipher, 3)
    assert cache.get(b"b", 3) is None, "the least recently used one has gone"
    assert cache.get(b"a", 9.9) is KEY.cipher
    assert cache.get(b"a", 10) is None
    assert len(cache) == 1
