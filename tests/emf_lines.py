"""What CloudWatch would read from lines of a log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SCHEMA = json.loads(Path(__file__).with_name("emf_schema.json").read_text())
_LOG_EVENT_BYTES_MAX = 262_144  # the lower one of AWS' two figures


def checked(line: str) -> dict[str, Any]:
    """The document of one line. Fails where CloudWatch would leave a metric out."""
    # Its import builds 38 parsers: seconds, in every process that looks for tests.
    import jsonschema

    assert len(line.encode()) < _LOG_EVENT_BYTES_MAX
    document: dict[str, Any] = json.loads(line)
    jsonschema.Draft202012Validator(_SCHEMA).validate(document)
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for dimensions in directive["Dimensions"]:
            assert all(isinstance(document[name], str) and document[name] for name in dimensions)
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert len(names) == len(set(names))
        for name in names:
            assert isinstance(document[name], int | float) and not isinstance(document[name], bool)
    return document


def metrics(document: dict[str, Any]) -> dict[str, float]:
    """Name → value."""
    [directive] = document["_aws"]["CloudWatchMetrics"]
    return {metric["Name"]: document[metric["Name"]] for metric in directive["Metrics"]}
