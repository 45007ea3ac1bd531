"""Answers of SQS read by msgspec: as botocore reads them itself."""

from __future__ import annotations

import pytest
from aiobotocore.parsers import AioJSONParser
from aiobotocore.session import get_session

from persistence_worker.sqs_json import read_json_faster

BODIES = [
    b"",
    b"{}",
    b'{"Messages":[{"Body":"{\\"v\\":1}","Attributes":{"SentTimestamp":"1"}}]}',
    b'{"Body":"\\ud83c\\udfb2 \\ud800 \xc3\xa9"}',
    b'{"a":NaN}',
    b"<html>503</html>",
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_as_botocore_reads_it(body: bytes) -> None:
    session = get_session()
    read_json_faster(session)
    parser = session.get_component("response_parser_factory").create_parser("json")
    assert repr(parser._parse_body_as_json(body)) == repr(AioJSONParser()._parse_body_as_json(body))
    # Others are left alone.
    other = session.get_component("response_parser_factory").create_parser("query")
    assert type(other).__module__ == "aiobotocore.parsers"
