"""The development SQS endpoint, held to the contract."""

import pytest

from tests.contract.sqs_suite import SqsContract


class TestDevstackSqs(SqsContract):
    @pytest.fixture
    def endpoint_url(self, sqs_endpoint):
        return sqs_endpoint
