"""The identifiers that pass between layers: plain strings that a type checker keeps apart."""

from typing import NewType

PlayerId = NewType("PlayerId", str)
"""Cognito's ``sub``: stable for one person in one user pool."""

MatchId = NewType("MatchId", str)
"""26 lower-case characters, sortable by creation time; the hash tag of a match's Redis keys."""

SessionId = NewType("SessionId", str)
"""One authenticated connection."""
