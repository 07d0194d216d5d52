"""Part: one of the independent contributions of a session to the sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from stretto.figures.fanouts import Fanout, SequentialRun
from stretto.model.conclude import Classify
from stretto.model.conclude_calls import conclude_calls, conclude_model_calls
from stretto.model.conclude_leaves import conclude_hooks_run, conclude_permissions
from stretto.model.entities import Session, ToolCall
from stretto.model.event import Outcome
from stretto.model.facts import SessionFacts
from stretto.model.model_call_cost import Price, get_reported_cost
from stretto.model.score_scales import SCALES, Scales
from stretto.store.rollup import Additions


class Aspect(StrEnum):
    """What of a session a part may depend on, beside the kinds of its facts (``facts.KINDS``)."""

    PATTERN = "pattern"
    TASKS = "tasks"
    """The tasks as they were concluded, and with them fan-outs and sequential runs."""
    TURNS = "turns"
    """The turns as they were concluded."""
    WHOLE = "whole"
    """Anything at all, once the session is over."""


@dataclass(frozen=True)
class Settling:
    """A session while it is being settled: its turns and tasks are concluded, the rest is in the facts."""

    facts: SessionFacts
    session: Session
    fanouts: tuple[Fanout, ...]
    sequential_runs: tuple[SequentialRun, ...]
    closed: bool
    """Whether nothing more can come: what has no end is over."""
    lost: bool
    classify: Classify
    price: Price = get_reported_cost
    scales: Scales = SCALES
    concluded: Mapping[str, Sequence[ToolCall]] = field(default_factory=dict)
    """The tool calls that are concluded already, as ``conclude_calls`` takes them."""
    given: Session | None = None
    """The session as in ``whole``, where it is at hand."""

    @property
    def over(self) -> bool:
        """Whether the session is over; before that no part asks for the whole of it."""
        return self.session.outcome is not Outcome.RUNNING

    @cached_property
    def whole(self) -> Session:
        """The session with its calls, requests and hooks, concluded once for all parts that ask for them."""
        return self.given or replace(
            self.session,
            tool_calls=conclude_calls(
                self.facts, self.session.tasks, closed=self.closed, concluded=self.concluded
            ),
            model_calls=conclude_model_calls(self.facts),
            permissions=conclude_permissions(self.facts),
            hooks_run=conclude_hooks_run(self.facts),
        )

    def differs(self, before: Settling) -> set[str]:
        """Return the aspects in which the session is not what it was when it was settled before."""
        found: set[str] = set()
        now, then = self.session, before.session
        if now.pattern != then.pattern:
            found.add(Aspect.PATTERN)
        if now.tasks != then.tasks:
            found.add(Aspect.TASKS)
        if now.turns != then.turns:
            found.add(Aspect.TURNS)
        if self.over or before.over:
            found.add(Aspect.WHOLE)
        return found


@dataclass(frozen=True, slots=True)
class Part:
    """What one kind of entity adds to the sums.

    ``reads`` names what that depends on, by the kinds of facts (``facts.KINDS``) and aspects: it is worked
    out again when one of them has changed.
    """

    reads: frozenset[str]
    additions: Callable[[Settling], Additions]
