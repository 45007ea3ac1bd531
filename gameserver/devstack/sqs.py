"""The development SQS endpoint as a service, and the few calls that set up queues in it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from gameserver.devstack.emulation import Emulation
from gameserver.devstack.emulation_options import REGION

_ACCOUNT = "000000000000"


class SqsEndpoint(Emulation):
    """``endpoint_url`` is what clients connect to; no client library is needed for the set-up."""

    module = "gameserver.devstack.sqs_endpoint"

    def __init__(
        self, *, port: int, data: Path, log: Path, region: str = REGION, name: str = "sqs"
    ) -> None:
        super().__init__(port=port, data=data, log=log, region=region, name=name)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_devstack/health", timeout=5):
                return True
        except OSError:
            return False

    def create_queue(
        self, name: str, *, dead_letters_to: str = "", receives_max: int = 5, **attributes: str
    ) -> str:
        """Make a queue, or change the one that is there; returns its URL. ``dead_letters_to`` is
        the name of another queue, ``attributes`` are SQS' own."""
        if dead_letters_to:
            arn = f"arn:aws:sqs:{self.region}:{_ACCOUNT}:{dead_letters_to}"
            policy = {"deadLetterTargetArn": arn, "maxReceiveCount": receives_max}
            attributes["RedrivePolicy"] = json.dumps(policy)
        url = str(self.call("CreateQueue", QueueName=name)["QueueUrl"])
        if attributes:
            # Set apart: creating a queue that has other attributes than these would be an error.
            self.call("SetQueueAttributes", QueueUrl=url, Attributes=attributes)
        return url

    def delete_queue(self, url: str) -> None:
        self.call("DeleteQueue", QueueUrl=url)

    def order_fault(self, operation: str, **fault: Any) -> None:
        """Let calls fail; see ``sqs_endpoint``."""
        self._post("/_devstack/faults", {"operation": operation, **fault}, {})

    def forget_faults(self) -> None:
        request = urllib.request.Request(f"{self.endpoint_url}/_devstack/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=10).close()

    def calls(self) -> dict[str, int]:
        """How often each operation was called since the start."""
        url = f"{self.endpoint_url}/_devstack/calls"
        with urllib.request.urlopen(url, timeout=10) as answer:
            counts: dict[str, int] = json.load(answer)
        return counts

    def call(self, operation: str, **parameters: Any) -> Any:
        """One call of the AWS JSON protocol. Raises ``urllib.error.HTTPError``."""
        return self._post("/", parameters, {"X-Amz-Target": f"AmazonSQS.{operation}"})

    def _post(self, path: str, body: Any, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(
            self.endpoint_url + path, data=json.dumps(body).encode(), headers=headers
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text.startswith(b"{") else None
