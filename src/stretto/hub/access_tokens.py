"""Tokens by which a hub knows a sender or reader: their tenant, team, owner and role, and the table of them.

The table has hashes. A token is shown once, when it is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol

ALL_TEAMS = "*"
"""The team of a token whose bearer leads the whole tenant."""


class TokenRole(StrEnum):
    """What the bearer of a token may read. Every role but ADMIN may send sessions."""

    ME = "me"
    """Every detail of the owner's own machines."""
    LEAD = "lead"
    """Released figures of the team, and single sessions of machines that opted in."""
    ADMIN = "admin"
    """Tokens and retention, no figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token as the hub keeps it."""

    hash: str
    """SHA-256 of the token, in hexadecimal digits."""
    tenant: str
    team: str
    owner: str
    """The person, or the pool of runners, that it was given to."""
    role: TokenRole
    opted_in: bool = False
    """Whether leads may see single sessions of its machines, as with runners of CI."""
    added: int
    """When it was made (ns)."""
    revoked: int | None = None
    """When it was revoked (ns); None while it is valid."""


TOKEN_COLUMNS = "hash, tenant, team, owner, role, opted_in, added, revoked"  # noqa: S105  # no password
"""The columns of a token's row, in the order of AccessToken."""


def list_opted_in(tokens: Iterable[AccessToken], since: int) -> frozenset[str]:
    """Return the owners with a token that opted in and was still valid after a time (ns)."""
    return frozenset(
        token.owner for token in tokens if token.opted_in and (token.revoked is None or token.revoked > since)
    )


class TokenTable(Protocol):
    """Keeps the tokens, in the database of the sessions. Every method raises EngineError as engines do."""

    def add_token(self, token: AccessToken) -> None:
        """Store a token durably before returning; a hash that is stored already is left alone."""

    def find_token(self, hash: str) -> AccessToken | None:
        """Return the token of a hash, revoked or not, or None."""

    def list_tokens(self, tenant: str) -> list[AccessToken]:
        """Return the tokens of a tenant in the order in which they were made."""

    def revoke_token(self, tenant: str, hash: str, at: int) -> bool:
        """Revoke a valid token of a tenant at a time (ns); return whether there was one."""


def to_access_token(row: Sequence[Any]) -> AccessToken:
    """Return the token of a row of TOKEN_COLUMNS."""
    hash, tenant, team, owner, role, opted_in, added, revoked = row
    return AccessToken(
        hash=hash,
        tenant=tenant,
        team=team,
        owner=owner,
        role=TokenRole(role),
        opted_in=bool(opted_in),
        added=added,
        revoked=revoked,
    )


def hash_token(token: str) -> str:
    """Return the hash under which a token is kept. Tokens are long and random, so it needs no salt."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
