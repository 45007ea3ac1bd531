"""Names are opened for who may, each in its place, and what cannot be opened is not told."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.stored_names import PlainNames, SealedNames
from gameserver.errors import KeysUnavailable
from gameserver.records.port import StoredName
from gameserver.wire import envelope, sealed_record
from tests.fakes.memory_keys import MemoryKms, data_keys


class Table:
    """``data_keys``: a source that knows the wrapped keys it is given, and counts questions."""

    def __init__(self) -> None:
        self.wrapped: dict[str, bytes] = {}
        self.asked = 0

    async def fetch(self, query: str, *arguments: Any) -> Sequence[Any]:
        self.asked += 1
        [names] = arguments
        return [
            {"key_id": name, "wrapped": self.wrapped[name]}
            for name in names
            if name in self.wrapped
        ]


def sealed(keys: DataKeys, table: Table, name: str, event: str) -> StoredName:
    key = keys.take(len(name))
    table.wrapped[envelope.key_name(key.id)] = key.wrapped
    text = envelope.seal_field(key, name, sealed_record.place(event, "name"), random=os.urandom)
    return StoredName(text, event)


async def test_names_of_other_nodes_are_opened_and_their_keys_asked_for_once() -> None:
    kms, table = MemoryKms(), Table()
    ann = sealed(await data_keys(kms), table, "Ann", "m1/2")
    ben = sealed(await data_keys(kms), table, "Ben", "m1/3")
    keys = await data_keys(kms)
    own = sealed(keys, table, "Cid", "m2/2")
    names = SealedNames(table, keys)
    for _ in range(3):
        assert await names.opened([ann, own, ben, ann]) == ["Ann", "Cid", "Ben", "Ann"]
    assert (table.asked, kms.unwrapped) == (1, 2)


async def test_what_cannot_be_opened_is_not_told() -> None:
    kms, table = MemoryKms(), Table()
    ann = sealed(await data_keys(kms), table, "Ann", "m1/2")
    lost = sealed(await data_keys(kms), Table(), "Ben", "m1/3")
    names = SealedNames(table, await data_keys(kms))
    moved, placeless = StoredName(ann.name, "m1/9"), StoredName(ann.name)
    stored = [ann, moved, placeless, lost, StoredName(None, "m1/4"), StoredName("Plain", "m1/5")]
    assert await names.opened(stored) == ["Ann", None, None, None, None, "Plain"]
    assert await PlainNames().opened([ann, StoredName("Plain", "m1/5")]) == [None, "Plain"]


async def test_without_kms_there_is_no_answer() -> None:
    kms, table = MemoryKms(), Table()
    ann = sealed(await data_keys(kms), table, "Ann", "m1/2")
    keys = await data_keys(kms)
    kms.down = True
    with pytest.raises(KeysUnavailable):
        await SealedNames(table, keys).opened([ann])
