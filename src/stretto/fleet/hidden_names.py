"""Hide the names of a machine in what it ships: a keyed hash stands for each name that is not public.

The key is the tenant's. So the same name is the same hash on all machines of a tenant, and sums by it add up,
while nobody without the key can find a name by trying.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from stretto.fleet.names_shipped_unhidden import CLOSED_DIMENSIONS, PUBLIC_NAMES
from stretto.names.measures import Dimension

MARK = "~"
"""The first character of a hidden name: no public name begins with it."""

DIGITS = 12
"""Hexadecimal digits of a hidden name: two of 10,000 names share one with a chance of 1 in 5 million."""

SESSION_DIGITS = 32

_SIGNATURE_MARK = "#"
"""Separates the task types of a signature from the hash of its identity (``figures.work_signature``)."""


@dataclass(frozen=True, slots=True)
class NameRules:
    """Which names are shipped as they are, beside the public ones."""

    shown: frozenset[str] = frozenset()
    """Agents, tools, models, patterns and phases that the configuration allows."""
    shown_projects: frozenset[str] = frozenset()
    shown_labels: frozenset[str] = frozenset()
    """Keys of labels that are shipped with their values; other labels are left out."""
    task_types: frozenset[str] = frozenset()
    """The configured task types."""
    scores: frozenset[str] = frozenset()
    """The criteria that have a scale."""


@dataclass(frozen=True, slots=True)
class NameHider:
    """Replaces names by hashes with a tenant's key. The same name of two kinds has two hashes."""

    key: bytes
    rules: NameRules = field(default_factory=NameRules)
    is_public_model: Callable[[str], bool] = lambda _: False

    def hide_session(self, session_id: str) -> str:
        """Return the hash of a session's id."""
        return self._hash("session", session_id)[:SESSION_DIGITS]

    def hide_text(self, kind: str, text: str) -> str:
        """Return the hidden form of a text of a kind, such as a worktree's name."""
        return MARK + self._hash(kind, text)[:DIGITS]

    def hide_project(self, project: str) -> str:
        """Return a project's name if it may be shown, else its hidden form."""
        return project if project in self.rules.shown_projects else self.hide_text("project", project)

    def hide_name(self, dimension: Dimension, name: str) -> str:
        """Return the value of a dimension if it is public or may be shown, else its hidden form."""
        if dimension in CLOSED_DIMENSIONS:
            return name
        if dimension is Dimension.SIGNATURE:
            return self.hide_signature(name)
        return name if self._is_shown(dimension, name) else self.hide_text(dimension.value, name)

    def hide_signature(self, signature: str) -> str:
        """Return a signature of equal work with hidden task types, and another hash of its identity.

        The machine's own hash has no key: whoever knows project, pattern and agents could try it.
        """
        types, mark, identity = signature.partition(_SIGNATURE_MARK)
        names = sorted(self.hide_name(Dimension.TASK_TYPE, name) for name in types.split(","))
        return ",".join(names) + (mark + self._hash("work", identity)[:16] if mark else "")

    def _is_shown(self, dimension: Dimension, name: str) -> bool:
        rules = self.rules
        return (
            name in PUBLIC_NAMES.get(dimension, frozenset())
            or name in rules.shown
            or (dimension is Dimension.TASK_TYPE and name in rules.task_types)
            or (dimension is Dimension.SCORE and name in rules.scores)
            or (dimension is Dimension.MODEL and self.is_public_model(name))
        )

    def _hash(self, kind: str, text: str) -> str:
        words = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.new(self.key, words, sha256).hexdigest()
