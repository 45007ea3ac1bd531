"""The table of close codes is whole and within its ranges."""

from gameserver.wire.close_codes import ADVICE, CloseCode


def test_every_code_has_its_advice() -> None:
    assert set(ADVICE) == set(CloseCode)


def test_codes_are_the_protocols_or_private() -> None:
    """RFC 6455, section 7.4.2; 1004 to 1006 and 1015 must not be sent."""
    for code in CloseCode:
        assert 1000 <= code <= 1014 or 4000 <= code <= 4999
        assert code not in (1004, 1005, 1006)


def test_only_a_client_that_comes_back_can_resume() -> None:
    assert all(advice.retry for advice in ADVICE.values() if advice.resume)


def test_a_name_fits_into_a_close_frame() -> None:
    """A control frame's payload is 125 bytes at most, two of which are the code."""
    assert all(len(code.name) <= 123 for code in CloseCode)
