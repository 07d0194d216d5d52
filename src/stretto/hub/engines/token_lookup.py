"""How every engine answers about tokens, from the rows of its table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from stretto.hub.access_tokens import AccessToken


class TokenLookup(ABC):
    """The questions about tokens that are the same whatever the database."""

    def find_token(self, hash: str) -> AccessToken | None:
        """Return the token of a hash, revoked or not, or None."""
        tokens = self._read_tokens("hash", hash)
        return tokens[0] if tokens else None

    def list_tokens(self, tenant: str) -> list[AccessToken]:
        """Return the tokens of a tenant in the order in which they were made."""
        return self._read_tokens("tenant", tenant)

    @abstractmethod
    def _read_tokens(self, column: Literal["hash", "tenant"], wanted: str) -> list[AccessToken]:
        """Return the tokens with a value in a column, in the order in which they were made."""
