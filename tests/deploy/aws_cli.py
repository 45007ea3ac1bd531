"""What a command line of the AWS CLI asks of AWS, checked by botocore's models.

    aws SERVICE OPERATION --option value …  ──►  the operation is there, takes these options, and
                                                 values have the form that its shapes ask for

``cloudformation deploy``, ``s3 sync`` and ``s3 cp`` are commands of the CLI alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.model import OperationModel, Shape, StructureShape
from botocore.validate import ParamValidator

EVERYWHERE = {"--region", "--output", "--query", "--cli-input-json"}
OF_THE_CLI = {
    ("cloudformation", "deploy"): {
        *("--stack-name", "--template-file", "--no-fail-on-empty-changeset"),
        *("--capabilities", "--parameter-overrides"),
    },
    ("s3", "sync"): {"--delete", "--exclude", "--cache-control"},
    ("s3", "cp"): {"--cache-control"},
}
LEFT_OUT = "…"
"""Where a text stands for a value, or for more options."""


def check(words: Sequence[str], *, whole: bool) -> None:
    """``words`` without ``aws``. ``whole``: nothing is left out, so that what an operation requires
    has to be there, and values are looked at. Raises ``AssertionError``."""
    service, command, *rest = words
    given = _options(rest)
    if (service, command) in OF_THE_CLI:
        assert set(given) <= OF_THE_CLI[service, command] | EVERYWHERE, words
        return
    model = _operation(service, command)
    members = {f"--{xform_name(name, '-')}": name for name in _input(model).members}
    asked: dict[str, Any] = {}
    for option, values in given.items():
        if option in EVERYWHERE:
            continue
        name = members.get(option) or members.get(option.replace("--no-", "--"))
        assert name, f"{service} {command} has no {option}"
        shape = _input(model).members[name]
        if values and LEFT_OUT not in "".join(values):
            asked[name] = _value(shape, values)
            known = getattr(shape, "enum", ())
            assert not known or asked[name] in known, f"{option} {asked[name]}"
        elif not values:
            assert shape.type_name == "boolean", f"{option} asks for a value"
            asked[name] = not option.startswith("--no-")
    if whole and "--cli-input-json" not in given:
        report = ParamValidator().validate(asked, _input(model))
        assert not report.has_errors(), f"{service} {command}: {report.generate_report()}"


def _options(words: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    last: list[str] | None = None
    for word in words:
        if word.startswith("--"):
            last = found.setdefault(word, [])
        elif last is not None:
            last.append(word)
    return found


@cache
def _operation(service: str, command: str) -> OperationModel:
    session = botocore.session.get_session()
    assert service in session.get_available_services(), f"there is no service {service}"
    model = session.get_service_model(service)
    by_command = {xform_name(name, "-"): name for name in model.operation_names}
    assert command in by_command, f"{service} has no {command}"
    return model.operation_model(by_command[command])


def _input(model: OperationModel) -> StructureShape:
    shape = model.input_shape
    assert shape is not None
    return shape


def _value(shape: Shape, words: Sequence[str]) -> Any:
    """As the CLI makes it of words: JSON, its shorthand, or themselves."""
    if words[0][:1] in "{[":
        return json.loads(words[0])
    match shape.type_name:
        case "list":
            return [_value(shape.member, [word]) for word in words]
        case "structure":
            [text] = words
            value, rest = _shorthand(shape, text + "}")
            assert not rest
            return value
        case "integer" | "long":
            return int(words[0])
        case _:
            return " ".join(words)


def _shorthand(shape: Shape, text: str) -> tuple[Any, str]:
    """``a=1,b={c=[2,3]}}``: up to the closing brace, and what follows (AWS: "Using shorthand")."""
    found: dict[str, Any] = {}
    while True:
        name, _, text = text.partition("=")
        if text.startswith("{"):
            found[name], text = _shorthand(shape.members[name], text[1:])
        elif text.startswith("["):
            inner, _, text = text[1:].partition("]")
            found[name] = inner.split(",")
        else:
            end = min(text.find(mark) for mark in ",}" if mark in text)
            value, text = text[:end], text[end:]
            is_list = shape.members[name].type_name == "list"
            found[name] = [value] if is_list else value
        mark, text = text[:1], text[1:]
        if mark == "}":
            return found, text
