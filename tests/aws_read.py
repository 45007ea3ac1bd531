"""For a process that forks programs: importing this reads what their clients are built of."""

from __future__ import annotations

from tests.aws_models import read

read("sqs", "kms")
