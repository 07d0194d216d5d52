"""Task types: which kind of work a task is, by keywords over its description, its agent and the command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

OTHER = "other"
DEFAULT_TARGET = 0.60
"""Improvement asked of a task type for which none is configured."""


@dataclass(frozen=True, slots=True)
class TaskType:
    """One task type as configured. Hours are those of a person or of one agent after another."""

    name: str
    keywords: tuple[str, ...]
    sequential_hours: float | None = None
    parallel_target_hours: float | None = None
    target_improvement: float | None = None

    @property
    def target(self) -> float:
        """Improvement asked for, as a ratio."""
        return DEFAULT_TARGET if self.target_improvement is None else self.target_improvement


@dataclass(frozen=True)
class TaskTypes:
    """All task types, in the order in which their keywords are tried."""

    types: tuple[TaskType, ...] = ()
    _patterns: tuple[tuple[str, re.Pattern[str]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patterns = tuple((t.name, _pattern(t.keywords)) for t in self.types if t.keywords)
        object.__setattr__(self, "_patterns", patterns)

    @property
    def by_name(self) -> Mapping[str, TaskType]:
        """The types by name."""
        return {t.name: t for t in self.types}

    def classify(self, description: str | None, agent: str | None, command: str | None) -> str:
        """Return the first type with a keyword in the description, else in the agent's name, else in the command.

        Keywords match whole words, their plurals and ``-`` or ``_`` for a space; nothing found is ``other``.
        """
        return _classify(self._patterns, description, agent, command)

    def target(self, name: str) -> float:
        """Return the improvement asked of a type, as a ratio."""
        found = self.by_name.get(name)
        return found.target if found else DEFAULT_TARGET


def normal_name(name: str) -> str:
    """Return a type's name as a label value: lower case, one underscore for whatever is no letter or digit."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


@lru_cache(maxsize=4096)
def _classify(
    patterns: tuple[tuple[str, re.Pattern[str]], ...],
    description: str | None,
    agent: str | None,
    command: str | None,
) -> str:
    for said in (description, agent, command):
        if said:
            plain = re.sub(r"[-_:/]+", " ", said.lower())
            for name, pattern in patterns:
                if pattern.search(plain):
                    return name
    return OTHER


def _pattern(keywords: tuple[str, ...]) -> re.Pattern[str]:
    words = "|".join(re.escape(word.lower()).replace(r"\ ", r"\s+") for word in keywords)
    return re.compile(rf"\b(?:{words})(?:s|es)?\b")
