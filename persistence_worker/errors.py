"""The errors this package raises on purpose.

WorkerError
├── ConfigError          settings are missing, unknown or out of bounds; the process does not start
├── UsageError           a command was asked for something that is not there (exit code 2)
└── Unavailable          an external system did not answer; what was asked may have happened
    ├── QueueUnavailable
    ├── KeysUnavailable
    └── DatabaseUnavailable
"""

from persistence_worker.retry import ErrorKind


class WorkerError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(WorkerError):
    """A setting is wrong. The message names the setting, its bound and what to do."""


class UsageError(WorkerError):
    """A command names something that does not exist: a revision, a message."""


class Unavailable(WorkerError):
    """An external system did not answer in time; what was asked may or may not have happened."""


class QueueUnavailable(Unavailable):
    """SQS did not answer, or refused the call as a whole."""


class KeysUnavailable(Unavailable):
    """KMS did not answer, or does not let this role use the key."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL did not answer, or is not in a state to take any event.

    ``kind`` tells an outage from a schema that does not fit, which only an operator can mend.
    """

    def __init__(self, message: str, *, kind: ErrorKind = ErrorKind.DATABASE_DOWN) -> None:
        super().__init__(message)
        self.kind = kind
