"""An experiment of a team, as the hub keeps it and as leads see it.

It runs until the end that its definition names. Then its answer is worked out, once: late and forgotten
sessions change nothing of it any more, so that no two answers of one experiment can be subtracted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec

from stretto.clock import DAY, to_rfc3339
from stretto.errors import StrettoError
from stretto.fleet.team_experiment_messages import (
    TASK_SECONDS,
    TEAM_METRICS,
    ExperimentEntry,
    ExperimentOrder,
)
from stretto.hub.access_tokens import ALL_TEAMS
from stretto.hub.engine import FleetScope
from stretto.hub.enough_people_release_rule import COHORT, GRACE
from stretto.hub.team_experiments_table import StoredExperiment
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict

LONGEST_DAYS = 180
"""Most days of an experiment: the hub keeps sessions for 400."""

LONGEST_TEXT = 128
"""Most characters of an arm, a label, a pattern or a type."""

MOST_RUNNING = 10
"""Most experiments of a team that run at once."""

YEAR = 365 * DAY

MOST_OF_TEAM, MOST_OF_TENANT = 100, 1_000
"""Most experiments that begin within a YEAR, whatever became of them.

Each answer is one more number about the same people, and is compared with all the others before it is shown.
"""

Members = Mapping[str, Mapping[str, str]]
"""Arm → person → digests of the runs that count: 12 digits of the sessions, 12 of these with their tasks."""


class ExperimentState(StrEnum):
    """How far an experiment is."""

    RUNNING = "running"
    CONCLUDED = "concluded"
    """Its answer is shown, and stays as it is."""
    WITHHELD = "withheld"
    """It is over, and its answer is shown at no time: it is about too few people."""
    WITHDRAWN = "withdrawn"
    """Leads took it back."""


class ExperimentError(StrettoError):
    """A lead's order cannot be carried out."""


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """The answer of a concluded experiment, with two decimals."""

    verdict: FindingVerdict
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = "ratio"
    detectable: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamExperiment:
    """An experiment in its newest state."""

    team: str
    """That of the lead who defined it; ``*`` for all teams of the tenant."""
    order: ExperimentOrder
    start: int
    """When it was defined (ns). Earlier runs do not count."""
    end: int
    """Its planned end (ns). Later runs do not count."""
    state: ExperimentState = ExperimentState.RUNNING
    result: ExperimentResult | None = None
    seen: Members = field(default_factory=dict)
    """The people of the answer that leads saw, also if it was withdrawn. It never leaves the hub."""

    @property
    def name(self) -> str:
        """Its name, which its team uses once."""
        return self.order.name

    @property
    def people(self) -> dict[str, int]:
        """Arm → people of its answer; empty without an answer, so that nobody is counted while it runs."""
        return {} if self.result is None else {arm: len(people) for arm, people in self.seen.items()}

    @property
    def due(self) -> int:
        """When its answer is worked out (ns). What arrives later does not count."""
        return self.end + GRACE

    def make_scope(self, tenant: str) -> FleetScope:
        """Return whose sessions may count."""
        return FleetScope(tenant=tenant, teams=None if self.team == ALL_TEAMS else (self.team,))

    def withdraw(self) -> TeamExperiment:
        """Return it without its answer. It is not forgotten who was in an answer that leads saw."""
        return replace(self, state=ExperimentState.WITHDRAWN, result=None)


decode_team_experiment = msgspec.json.Decoder(TeamExperiment).decode
"""Decode a stored experiment. Raises msgspec.DecodeError for something else."""

_encode = msgspec.json.Encoder().encode


def make_stored_experiment(experiment: TeamExperiment, at: int) -> StoredExperiment:
    """Return the row of an experiment, in the state that it has since ``at`` (ns)."""
    return StoredExperiment(
        experiment.team, experiment.name, (experiment.end - 1) // DAY, at, _encode(experiment)
    )


def define_team_experiment(order: ExperimentOrder, team: str, now: int) -> TeamExperiment:
    """Return the experiment of an order. Raises ExperimentError for anything that cannot be one."""
    faults = {
        "a name has 1 to 64 letters, digits, spaces, dots, - and _, first a letter or a digit": (
            re.fullmatch(r"[A-Za-z0-9][\w .-]{0,63}", order.name, re.ASCII) is None
        ),
        f"no metric {order.metric!r}: known are {', '.join(TEAM_METRICS)}": order.metric not in TEAM_METRICS,
        "it needs two different arms": order.arms[0] == order.arms[1] or not all(order.arms),
        "it needs the key of a label": not order.label,
        f"arms, label, pattern and type have 1 to {LONGEST_TEXT} printable characters": not all(
            1 <= len(text) <= LONGEST_TEXT and text.isprintable()
            for text in (*order.arms, order.label, order.pattern, order.type)
            if text is not None
        ),
        f"plan from 1 to {LONGEST_DAYS} days": not 1 <= order.days <= LONGEST_DAYS,
        f"a type of tasks goes with the metric {TASK_SECONDS}": (
            order.type is not None and order.metric != TASK_SECONDS
        ),
    }
    fault = next((text for text, is_fault in faults.items() if is_fault), None)
    if fault is not None:
        raise ExperimentError(f"cannot define the experiment {order.name!r}: {fault}")
    return TeamExperiment(team=team, order=order, start=now, end=(now // DAY + 1 + order.days) * DAY)


def describe_state(experiment: TeamExperiment) -> str:
    """Return how an experiment stands, as a sentence without a final stop."""
    end = to_rfc3339(experiment.end)[:10]
    match experiment.state:
        case ExperimentState.RUNNING:
            return f"it is worked out once, six hours after it ends on {end} at 00:00 UTC"
        case ExperimentState.WITHHELD:
            return (
                f"it ended with fewer than {COHORT} people in an arm, with some but fewer than {COHORT}"
                f" outside of it, or with fewer than {COHORT} others than another experiment of the time"
            )
        case ExperimentState.WITHDRAWN:
            return "it was withdrawn"
        case _:
            counts = ", ".join(f"{number} with {arm}" for arm, number in experiment.people.items())
            return f"people: {counts}; worked out once, as of {end}"


def make_entry(experiment: TeamExperiment) -> ExperimentEntry:
    """Return an experiment as the hub answers leads."""
    order, result = experiment.order, experiment.result
    entry = ExperimentEntry(
        team=experiment.team,
        name=order.name,
        metric=order.metric,
        arms=order.arms,
        label=order.label,
        pattern=order.pattern,
        type=order.type,
        is_paired=order.is_paired,
        start=experiment.start,
        end=experiment.end,
        state=experiment.state.value,
        people=experiment.people,
        sentence=describe_state(experiment),
    )
    if result is None:
        return entry
    return replace(
        entry,
        verdict=result.verdict.value,
        effect=result.effect,
        low=result.low,
        high=result.high,
        unit=result.unit,
    )


def make_experiment_finding(experiment: TeamExperiment, name: str) -> Finding:
    """Return an experiment as a finding under a name, as experiments of one machine are."""
    result = experiment.result or ExperimentResult(FindingVerdict.TOO_LITTLE_DATA)
    is_over = experiment.state is not ExperimentState.RUNNING
    return Finding(
        kind="experiment",
        subject={"experiment": name, "metric": experiment.order.metric},
        verdict=result.verdict,
        evidence=FindingEvidence(
            sum(experiment.people.values()),
            effect=result.effect,
            low=result.low,
            high=result.high,
            unit=result.unit,
            detectable=result.detectable,
        ),
        reason=describe_state(experiment),
        advice=_advise(result.verdict, experiment.order.arms),
        details={
            "final": "yes" if is_over else "no",
            **{f"people_{arm}": float(number) for arm, number in experiment.people.items()},
        },
    )


def _advise(verdict: FindingVerdict, arms: tuple[str, str]) -> str:
    usual, new = arms
    advice = {
        FindingVerdict.IMPROVEMENT: f"Take {new}.",
        FindingVerdict.REGRESSION: f"Keep {usual}: {new} is worse.",
        FindingVerdict.NO_EVIDENCE: f"Keep {usual}: no difference is shown.",
    }
    return advice.get(verdict, "")
