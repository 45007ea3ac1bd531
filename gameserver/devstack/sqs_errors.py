"""The errors of Amazon SQS, as its JSON protocol puts them.

    HTTP 400
    x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender
    {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "…"}

botocore reports the code of the header (the one of the older query protocol) and finds the
exception's class by ``__type``.
"""

from __future__ import annotations

_MODELLED = "com.amazonaws.sqs#"
_COMMON = "com.amazon.coral.service#"


class SqsError(Exception):
    """``kind`` is the shape's name, ``query_code`` the older protocol's word for it."""

    def __init__(self, kind: str, query_code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.kind = kind
        self.query_code = query_code
        self.message = message
        self.status = status

    @property
    def sender_fault(self) -> bool:
        return self.status < 500


def _prefixed(kind: str, message: str, *, code: str = "") -> SqsError:
    return SqsError(_MODELLED + kind, "AWS.SimpleQueueService." + (code or kind), message)


def _plain(kind: str, message: str, *, code: str = "") -> SqsError:
    return SqsError(_MODELLED + kind, code or kind, message)


def no_such_queue() -> SqsError:
    return _prefixed(
        "QueueDoesNotExist", "The specified queue does not exist.", code="NonExistentQueue"
    )


def queue_exists() -> SqsError:
    return _plain(
        "QueueNameExists",
        "A queue already exists with the same name and a different value for an attribute",
        code="QueueAlreadyExists",
    )


def invalid_attribute_name(name: str) -> SqsError:
    return _plain("InvalidAttributeName", f"Unknown Attribute {name}.")


def invalid_attribute_value(name: str) -> SqsError:
    return _plain("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


def invalid_contents() -> SqsError:
    return _plain(
        "InvalidMessageContents", "The message contains characters outside the allowed set."
    )


def invalid_handle(handle: str) -> SqsError:
    return _plain(
        "ReceiptHandleIsInvalid", f'The input receipt handle "{handle[:80]}" is not valid.'
    )


def not_in_flight() -> SqsError:
    return _prefixed("MessageNotInflight", "The message referred to isn't in flight.")


def empty_batch() -> SqsError:
    return _prefixed("EmptyBatchRequest", "There should be at least one entry in the request.")


def too_many_entries(count: int) -> SqsError:
    return _prefixed(
        "TooManyEntriesInBatchRequest",
        f"Maximum number of entries per request are 10. You have sent {count}.",
    )


def ids_not_distinct(entry_id: str) -> SqsError:
    return _prefixed("BatchEntryIdsNotDistinct", f"Id {entry_id} repeated.")


def invalid_entry_id() -> SqsError:
    return _prefixed(
        "InvalidBatchEntryId",
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
        "It can be at most 80 letters long.",
    )


def batch_too_long(limit: int, sent: int) -> SqsError:
    return _prefixed(
        "BatchRequestTooLong",
        f"Batch requests cannot be longer than {limit} bytes. You have sent {sent} bytes.",
    )


def unsupported(message: str) -> SqsError:
    return _prefixed("UnsupportedOperation", message)


def no_such_resource(message: str) -> SqsError:
    return _plain("ResourceNotFoundException", message)


def invalid_parameter(message: str) -> SqsError:
    return SqsError(_COMMON + "InvalidParameterValueException", "InvalidParameterValue", message)


def missing_parameter(name: str) -> SqsError:
    return SqsError(
        _COMMON + "MissingRequiredParameterException",
        "MissingParameter",
        f"The request must contain the parameter {name}.",
    )


def unknown_operation(name: str) -> SqsError:
    return SqsError(
        _COMMON + "UnknownOperationException",
        "InvalidAction",
        f"The operation {name or '(none)'} is not one that this endpoint knows.",
    )


def service_unavailable(status: int) -> SqsError:
    return SqsError(
        _COMMON + ("ThrottlingException" if status == 429 else "InternalFailure"),
        "RequestThrottled" if status == 429 else "InternalFailure",
        "This failure was ordered from the development endpoint.",
        status=status,
    )
