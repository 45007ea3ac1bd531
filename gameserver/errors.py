"""The errors this package raises on purpose.

GameServerError
├── ConfigError          settings are missing, unknown or out of bounds; the process does not start
├── TokenRefused         a JWT or ticket is not accepted (HTTP 401/403)
├── AlreadyConnected     the player has another session, and the policy is to keep it (HTTP 409)
├── JoinRefused          a match does not take this player; told to the client as ``Error``
├── TicketRefused        matchmaking does not take this ticket (HTTP 400/404/409/429)
├── ReplayRefused        a replay is not shown (HTTP 4xx)
└── Unavailable          an external system did not answer; the outcome may be unknown
    ├── StoreUnavailable
    │   └── KeysUnavailable
    ├── QueueUnavailable
    ├── TableUnavailable
    ├── RecordsUnavailable
    ├── IdentityUnavailable
    ├── RecordingsUnavailable
    └── NodeSilent           another node of the cluster did not answer
"""


class GameServerError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(GameServerError):
    """A setting is wrong. The message names the setting, its bound and what to do."""


class TokenRefused(GameServerError):
    """A credential is not accepted.

    ``code`` is a stable word for clients (``expired``, ``wrong_client``, …), ``status`` the HTTP
    status to answer with before the upgrade. The message never holds the credential.
    """

    def __init__(self, code: str, message: str, *, status: int = 401) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class AlreadyConnected(GameServerError):
    """The player has a session already, on this node or another. The message says what to do."""


class JoinRefused(GameServerError):
    """A match does not take this player now; ``code`` is one of ``to_client.ErrorCode``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class TicketRefused(GameServerError):
    """Matchmaking does not take a ticket, or what is asked of one; ``code`` is a stable word for
    clients."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ReplayRefused(GameServerError):
    """A replay is not shown to this viewer, or not now. ``code`` is a stable word, ``status`` the
    HTTP status; ``retry_after_s``: when to ask again, 0 where that would not help."""

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: float = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class Unavailable(GameServerError):
    """An external system did not answer in time; what was asked may or may not have happened."""


class StoreUnavailable(Unavailable):
    """Redis did not answer."""


class KeysUnavailable(StoreUnavailable):
    """KMS did not answer, so that something in Redis can be neither written nor read now."""


class QueueUnavailable(Unavailable):
    """SQS did not answer."""


class IdentityUnavailable(Unavailable):
    """Cognito, or its key set, did not answer and no earlier key set can serve."""


class TableUnavailable(Unavailable):
    """DynamoDB did not answer, or takes no more now."""


class RecordingsUnavailable(Unavailable):
    """PostgreSQL, from which recordings are read, did not answer, or nobody said where it is."""


class NodeSilent(Unavailable):
    """Another node of the cluster has not answered in time; it may have heard the question."""


class RecordsUnavailable(Unavailable):
    """PostgreSQL did not answer in time, or does not have what the server reads there."""


class LettersNotAllowed(GameServerError):
    """The server's role in PostgreSQL may not write orders about dead letters down."""
