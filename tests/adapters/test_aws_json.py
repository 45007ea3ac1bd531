"""Calls of AWS that are put together by hand: the same as botocore makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
from aiobotocore.session import get_session
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import NoCredentialsError

from gameserver.adapters.aws_json import JsonCall, Refused

QUEUE: dict[str, Any] = {
    "QueueUrl": "https://q/1/events",
    "Entries": [{"Id": "0", "MessageBody": "ä😀\u0001"}],
}
SIGNED = {"host", "content-type", "x-amz-target", "x-amz-date", "x-amz-security-token"}


class Service:
    """Answers each call with ``reply``, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Mapping[str, str], bytes]] = []
        self.reply = 200, b"{}"
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.headers.copy(), await request.read()))
        status, body = self.reply
        return web.Response(status=status, body=body)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    served = Service()
    app = web.Application()
    app.router.add_post("/", served.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = "http://{}:{}".format(*runner.addresses[0])
    yield served
    await runner.cleanup()


def client_of(service: Service, **given: Any) -> Any:
    options = {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}
    return get_session().create_client(
        "sqs",
        region_name="eu-central-1",
        endpoint_url=service.url,
        **{**options, "aws_session_token": "token", **given},
    )


async def test_a_call_is_what_botocore_makes_of_it(service: Service) -> None:
    async with client_of(service) as client:
        await client.send_message_batch(**QUEUE)
        assert await JsonCall(client, "send_message_batch")(QUEUE) == b"{}"
    (theirs, their_body), (ours, our_body) = service.asked
    for name in ("Host", "Content-Type", "X-Amz-Target", "X-Amz-Security-Token"):
        assert ours[name] == theirs[name]
    assert msgspec.json.decode(our_body) == msgspec.json.decode(their_body)


async def test_a_call_is_signed_with_everything_that_has_to_be(service: Service) -> None:
    async with client_of(service) as client:
        await JsonCall(client, "send_message_batch")(QUEUE)
    [(headers, body)] = service.asked
    signed = headers["Authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert set(signed) == SIGNED
    # As the service checks it: from the request as it has come.
    request = AWSRequest(
        "POST", service.url + "/", {name: headers[name] for name in SIGNED - {"x-amz-date"}}, body
    )
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials("id", "secret", "token"), "sqs", "eu-central-1")
    request.headers["X-Amz-Date"] = headers["X-Amz-Date"]
    signature = auth.signature(
        auth.string_to_sign(request, auth.canonical_request(request)), request
    )
    assert headers["Authorization"].endswith(f"Signature={signature}")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}',
            "QueueDoes",
        ),
        (b'{"message":"why"}', "unknown: why"),
        (b"<html>", "without an explanation"),
        (b"\xff", "without an explanation"),
    ],
)
async def test_a_refusal_says_why(service: Service, body: bytes, said: str) -> None:
    service.reply = 400, body
    async with client_of(service) as client:
        with pytest.raises(Refused, match=f"400 {said}"):
            await JsonCall(client, "send_message_batch")(QUEUE)


async def test_without_credentials_nothing_is_sent(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    async with client_of(
        service, aws_access_key_id=None, aws_secret_access_key=None, aws_session_token=None
    ) as client:
        call = JsonCall(client, "send_message_batch")
        with pytest.raises(NoCredentialsError):
            await call(QUEUE)
    assert service.asked == []
