"""Task types: classify a task by keywords in its description or its agent's name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial

OTHER = "other"
DEFAULT_TARGET = 0.60
"""The target improvement of a task type without a configured target."""


@dataclass(frozen=True, slots=True)
class TaskType:
    """A task type as configured. Hours are those of a person, or of agents working in sequence."""

    name: str
    keywords: tuple[str, ...]
    sequential_hours: float | None = None
    parallel_target_hours: float | None = None
    target_improvement: float | None = None

    @property
    def configured_target(self) -> float | None:
        """The target improvement as configured: a ratio, else by hours; None without either.

        Example: 6 h one after another and at most 1.5 h in parallel are a target of 0.75.
        """
        if self.target_improvement is not None:
            return self.target_improvement
        if self.sequential_hours is None or self.parallel_target_hours is None:
            return None
        return 1 - self.parallel_target_hours / self.sequential_hours

    @property
    def target(self) -> float:
        """The target improvement, as a ratio."""
        configured = self.configured_target
        return DEFAULT_TARGET if configured is None else configured


@dataclass(frozen=True)
class TaskTypes:
    """All task types, in the order in which their keywords are tried."""

    types: tuple[TaskType, ...] = ()
    _classify_cached: Callable[[str | None, str | None], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patterns = tuple((t.name, _compile_keywords(t.keywords)) for t in self.types if t.keywords)
        # The same few descriptions are classified again with every event of a session.
        object.__setattr__(
            self, "_classify_cached", lru_cache(maxsize=4096)(partial(_classify_by_keywords, patterns))
        )

    @property
    def by_name(self) -> Mapping[str, TaskType]:
        """The types by name."""
        return {t.name: t for t in self.types}

    def classify(self, description: str | None, agent: str | None) -> str:
        """Return the first type with a keyword in the description, else in the agent.

        Keywords match whole words and their plurals, with ``-`` or ``_`` for a space. No match gives
        ``other``. The session's command types no task: all tasks of a session would get the same type.
        """
        return self._classify_cached(description, agent)

    def find_target(self, name: str) -> float:
        """Return the target improvement of a type, as a ratio."""
        task_type = self.by_name.get(name)
        return task_type.target if task_type else DEFAULT_TARGET


def to_label_value(name: str) -> str:
    """Return a name as a label value: lower case, other characters than letters and digits as underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _classify_by_keywords(
    patterns: tuple[tuple[str, re.Pattern[str]], ...],
    description: str | None,
    agent: str | None,
) -> str:
    for text in (description, agent):
        if text:
            plain = re.sub(r"[-_:/]+", " ", text.lower())
            for name, pattern in patterns:
                if pattern.search(plain):
                    return name
    return OTHER


def _compile_keywords(keywords: tuple[str, ...]) -> re.Pattern[str]:
    words = "|".join(re.escape(word.lower()).replace(r"\ ", r"\s+") for word in keywords)
    return re.compile(rf"\b(?:{words})(?:s|es)?\b")
