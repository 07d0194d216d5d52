"""Decisions of a person or a program about findings, changes and experiments, as journal events.

A decision is about the installation and not about a session. A rebuild reads them again, so none is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from stretto.model.event import Channel, Event, Kind, Value

DECIDER = "decisions"
"""The session that events of decisions name; it is no session."""

TEXT_ATTRIBUTE = "text"

RECORDED = "recorded"
"""The detail of a decision about an earlier time: when it was recorded (ns)."""


class DecisionKind(StrEnum):
    """What is decided."""

    ACCEPTED = "accepted"
    """A finding is known and right; a change is the new normal."""
    REJECTED = "rejected"
    """A finding or its advice is not wanted."""
    APPLIED = "applied"
    """The advice of a finding was followed; from then on its effect is judged."""
    ANNOTATION = "annotation"
    """Something else changed at this time, such as an upgrade of the client."""
    EXPERIMENT = "experiment"
    """An experiment is defined; the subject is its name."""
    ASSIGNMENT = "assignment"
    """A session is assigned to an arm of the experiment that is the subject."""
    CONCLUSION = "conclusion"
    """An experiment is over, with its result in the details."""


ABOUT_FINDINGS = frozenset({DecisionKind.ACCEPTED, DecisionKind.REJECTED, DecisionKind.APPLIED})
"""The decisions whose subject is a finding."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision; ``time`` is when it holds from (ns)."""

    id: str
    time: int
    kind: DecisionKind
    subject: str | None = None
    """The id of a finding, or the name of an experiment."""
    text: str = ""
    details: Mapping[str, Value] = field(default_factory=dict)

    @property
    def recorded_at(self) -> int:
        """When it was recorded (ns): later than ``time`` if somebody said so only afterwards."""
        recorded = self.details.get(RECORDED)
        return recorded if isinstance(recorded, int) else self.time


def list_last_decisions(decisions: Iterable[Decision]) -> list[Decision]:
    """Return of the decisions about each finding the one that was recorded last, which alone counts."""
    about = [decision for decision in decisions if decision.kind in ABOUT_FINDINGS]
    last = {decision.subject: decision for decision in sorted(about, key=lambda each: each.recorded_at)}
    return [*last.values()]


def make_finding_decision_event(decision: Decision) -> Event:
    """Return the event that carries a decision in the journal."""
    text = {TEXT_ATTRIBUTE: decision.text} if decision.text else {}
    return Event(
        kind=Kind.DECISION,
        session=DECIDER,
        time=decision.time,
        source="stretto",
        channel=Channel.API,
        id=decision.id,
        name=decision.subject,
        type=decision.kind.value,
        attributes={**decision.details, **text},
    )


def read_decision(event: Event) -> Decision | None:
    """Return the decision of an event; None if this version does not know its kind."""
    if event.id is None or event.type not in set(DecisionKind):
        return None
    text = event.attributes.get(TEXT_ATTRIBUTE)
    return Decision(
        id=event.id,
        time=event.time,
        kind=DecisionKind(event.type),
        subject=event.name,
        text=text if isinstance(text, str) else "",
        details={name: value for name, value in event.attributes.items() if name != TEXT_ATTRIBUTE},
    )
