"""Task types: which kind of work a task is, by keywords over its description, its agent and the command."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial

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
    _find: Callable[[str | None, str | None, str | None], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patterns = tuple((t.name, _pattern(t.keywords)) for t in self.types if t.keywords)
        # The same few descriptions come again with every event of a session.
        object.__setattr__(self, "_find", lru_cache(maxsize=4096)(partial(_classify, patterns)))

    @property
    def by_name(self) -> Mapping[str, TaskType]:
        """The types by name."""
        return {t.name: t for t in self.types}

    def classify(self, description: str | None, agent: str | None, command: str | None) -> str:
        """Return the first type with a keyword in the description, else in the agent, else in the command.

        Keywords match whole words, their plurals and ``-`` or ``_`` for a space; nothing found is ``other``.
        """
        return self._find(description, agent, command)

    def find_target(self, name: str) -> float:
        """Return the improvement asked of a type, as a ratio."""
        found = self.by_name.get(name)
        return found.target if found else DEFAULT_TARGET


def normalise_name(name: str) -> str:
    """Return a type's name as a label value: lower case, an underscore for whatever is no letter or digit."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


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
