"""The operation: its name, its options, and the function that answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from stretto.errors import find_nearest_word
from stretto.operations.operation_errors import ErrorCode, OperationError
from stretto.operations.option_kinds import OptionKind, OptionValueError

if TYPE_CHECKING:
    from stretto.operations.operation_context import OperationCall


class OperationGroup(StrEnum):
    """The five groups of operations."""

    REAL_TIME = "real time"
    HISTORY = "history"
    EFFICIENCY = "efficiency"
    OPTIMISATION = "optimisation"
    WORKFLOW = "workflow"


@dataclass(frozen=True, slots=True)
class OperationOption:
    """An option of an operation."""

    name: str
    kind: OptionKind
    default: Any
    """The JSON value without the option; None if nothing is chosen."""
    help: str
    instead_of: str | None = None
    """The option of which this is another name: only one of both may be given."""

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the option."""
        schema = self.kind.to_schema()
        limits = schema.pop("description", "")
        text = f"{self.help} ({limits})" if limits else self.help
        return {**schema, "description": text} | ({} if self.default is None else {"default": self.default})


@dataclass(slots=True)
class OperationAnswer:
    """What an operation found, as JSON values."""

    summary: list[str] = field(default_factory=list)
    """The answer in sentences, the most important first."""
    performance: dict[str, Any] = field(default_factory=dict)
    """What was measured."""
    analysis: dict[str, Any] = field(default_factory=dict)
    """What follows from it, beside the summary."""
    recommendations: list[dict[str, Any]] = field(default_factory=list)
    next_steps: list[str] = field(default_factory=list)
    """Commands that look closer."""
    accuracy: float | None = None
    """Share of past days that lay within the 80 % range, by the back-test of a forecast."""
    no_accuracy: str = "it forecasts nothing"
    """Why there is no accuracy."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the table of operations."""

    name: str
    group: OperationGroup
    help: str
    """What it answers: a phrase that begins in lower case."""
    least: str
    """The least data that it needs, in words."""
    answer: Callable[[OperationCall], OperationAnswer]
    options: tuple[OperationOption, ...] = ()
    fallbacks: tuple[str, ...] = ("live-metrics", "dashboard")
    """Operations that may still answer where this one cannot, the nearest first."""
    rhythm: str | None = None
    """Name of the option with the time between two answers, if it streams."""

    @property
    def streams(self) -> bool:
        """Whether it can answer again and again."""
        return self.rhythm is not None

    def read_options(self, given: object) -> dict[str, Any]:
        """Return all options as the operation uses them. Raises OperationError (INVALID_OPTIONS)."""
        if not isinstance(given, Mapping):
            raise self._refuse({"options": "must be a JSON object"})
        known = {option.name: option for option in self.options}
        problems = {str(name): self._explain_unknown(str(name)) for name in given if name not in known}
        values: dict[str, Any] = {}
        for name, option in known.items():
            value = given.get(name, option.default)
            try:
                values[name] = None if value is None and name not in given else option.kind.read_value(value)
            except OptionValueError as error:
                problems[name] = str(error)
            if option.instead_of in given and name in given and name not in problems:
                problems[name] = f"says the same as {option.instead_of!r}: give one of them"
        if problems:
            raise self._refuse(problems)
        return values

    def to_options_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the options."""
        return {
            "type": "object",
            "properties": {option.name: option.to_schema() for option in self.options},
            "additionalProperties": False,
        }

    def _explain_unknown(self, name: str) -> str:
        names = [option.name for option in self.options]
        nearest = find_nearest_word(name, names)
        return f"is not known; did you mean {nearest!r}?" if nearest else "is not known"

    def _refuse(self, problems: Mapping[str, str]) -> OperationError:
        sentence = "; ".join(f"{name!r} {problem}" for name, problem in problems.items())
        return OperationError(
            ErrorCode.INVALID_OPTIONS,
            sentence,
            {"problems": dict(problems), "known": [option.name for option in self.options]},
        )
