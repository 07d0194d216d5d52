"""The rules of a cache: what its keys consist of, how long results are valid, how much is kept."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

from stretto.caching.call_keys import CallBinder, Environment, freeze, list_environment_versions
from stretto.caching.entries_in_memory import CacheEntry
from stretto.caching.frequent_calls_to_warm_up import FrequentCalls
from stretto.caching.task_structure_similarity import Traits, count_traits

ABSENT = "\0absent"
"""Stands for the version of a tool that is not there: a result may rely on its absence."""

ENTRY_BYTES = 1_000
"""Bytes of an entry beside key and result, as measured with CPython 3.11: objects, table slots, links."""


class Question(NamedTuple):
    """What a call asks: who has the same question may share its answer."""

    key: tuple[Hashable, Hashable, Hashable]
    """Arguments; task type, complexity and user; environment, unless results name the tools they use."""
    version: Hashable
    environment: dict[str, str | None] | None
    flight: Hashable
    """Key, version and environment together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """The arguments of ``cached``. A callable is called with the arguments of the cached call."""

    max: int = 1_000
    max_bytes: int | None = None
    ttl: float | None = 300.0
    key: Callable[..., object] | None = None
    task_type: object = None
    complexity: object = None
    user: object = None
    env: Environment | Callable[[], Environment] | None = None
    uses: Callable[..., Iterable[str]] | None = None
    version: object = None
    confidence: Callable[[Any, float], float] | None = None
    min_confidence: float = 0.5
    tags: Iterable[Hashable] | Callable[..., Iterable[Hashable]] = ()
    traits: Callable[..., Traits] | None = None
    size: Callable[[Any], int] | None = None
    copy: Callable[[Any], Any] | None = None
    patience: float = 60.0
    frequent: FrequentCalls | None = None

    def __post_init__(self) -> None:
        for name, number, is_optional in (
            ("max", self.max, False), ("max_bytes", self.max_bytes, True), ("ttl", self.ttl, True),
            ("patience", self.patience, False), ("min_confidence", self.min_confidence, False),
        ):  # fmt: skip
            if is_optional and number is None:
                continue
            if not isinstance(number, Real) or isinstance(number, bool):
                raise TypeError(f"{name} must be a number; it is {number!r}")
            if not number >= 0:
                raise ValueError(f"{name} must not be below 0; it is {number}")
        if self.min_confidence > 1:
            raise ValueError(f"min_confidence must be 0 to 1; it is {self.min_confidence}")
        for name, values in (("env", self.env), ("tags", self.tags)):
            if isinstance(values, Iterator):
                raise TypeError(
                    f"{name}= is read more than once: give a list or a function; it is {values!r}"
                )
        if self.env is not None and not callable(self.env):
            list_environment_versions(self.env)
        if self.uses is not None and self.env is None:
            raise ValueError("uses= names tools of the environment: give env= too")

    def ask(self, binder: CallBinder, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Question:
        """Return the question of a call. Raises what a function of the policy raises."""
        base = binder.bind(args, kwargs) if self.key is None else freeze(self.key(*args, **kwargs))
        return self.ask_for(base, args, kwargs)

    def ask_for(self, base: Hashable, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Question:
        """Return the question with a key made before."""
        parts = self._list_parts(args, kwargs)
        environment = None
        if self.env is not None:
            environment = list_environment_versions(self.env() if callable(self.env) else self.env)
        tools = None if environment is None else frozenset(environment.items())
        version = self.version(*args, **kwargs) if callable(self.version) else self.version
        if version is not None:
            version = freeze(version)
        key = (base, parts, None if self.uses is not None else tools)
        return Question(key, version, environment, (key, version, tools))

    def _list_parts(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Hashable, ...]:
        if self.task_type is self.complexity is self.user is None:
            return ()
        return tuple(
            None if part is None else freeze(part(*args, **kwargs) if callable(part) else part)
            for part in (self.task_type, self.complexity, self.user)
        )

    def make_entry(
        self, question: Question, value: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any],
        *, now: float, seconds: float,
    ) -> CacheEntry | None:  # fmt: skip
        """Return the entry to store; None for a result of too little confidence."""
        if self.confidence is not None and not self.confidence(value, 0.0) >= self.min_confidence:
            return None
        needs = None
        if self.uses is not None:
            environment = question.environment or {}
            names = self.uses(value, *args, **kwargs)
            needs = frozenset((name, environment.get(name, ABSENT)) for name in names)
        tags = self.tags(value, *args, **kwargs) if callable(self.tags) else self.tags
        return CacheEntry(
            value,
            stored=now,
            seconds=seconds,
            size=self._measure(question, value),
            version=question.version,
            needs=needs,
            tags=frozenset(tags),
            traits=None if self.traits is None else count_traits(self.traits(*args, **kwargs)),
        )

    def find_fault(self, entry: CacheEntry, question: Question, now: float) -> str | None:
        """Return why an entry does not answer a question any more, apart from its age; None if it does."""
        if entry.version != question.version:
            return "version"
        if entry.needs:
            environment = question.environment or {}
            if any(environment.get(name, ABSENT) != version for name, version in entry.needs):
                return "environment"
        confidence = entry.confidence
        if self.confidence is not None:
            confidence = min(confidence, self.confidence(entry.value, now - entry.stored))
        return None if confidence >= self.min_confidence else "confidence"

    def _measure(self, question: Question, value: Any) -> int:
        if self.size is not None:
            return int(self.size(value))
        if self.max_bytes is None:
            return 0
        return len(pickle.dumps(value, protocol=5)) + _measure_key(question.key) + ENTRY_BYTES


def _measure_key(key: Hashable) -> int:
    """Return about how many bytes a key takes: its text's length and that of its tuples."""
    if isinstance(key, str | bytes):
        return 50 + len(key) * (1 if isinstance(key, bytes) or key.isascii() else 4)
    if isinstance(key, tuple | frozenset):
        return 60 + sum(8 + _measure_key(part) for part in key)
    return 32
