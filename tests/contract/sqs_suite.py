"""What Amazon SQS does, as far as this system relies on it; held against each emulation of it.

A module per emulation subclasses ``SqsContract``, gives the fixture ``endpoint_url``, and declares
in ``LACKS`` what that emulation does not have, with the reason. Requests and replies go through
botocore's own serialisers and parsers. Sources: the Amazon SQS API Reference and Developer Guide.
"""

from __future__ import annotations

from tests.contract.sqs_batches import SqsBatches
from tests.contract.sqs_dead_letters import SqsDeadLetters
from tests.contract.sqs_messages import SqsMessages
from tests.contract.sqs_queues import SqsQueues


class SqsContract(SqsQueues, SqsMessages, SqsBatches, SqsDeadLetters):
    """Test cases; not collected by itself."""
