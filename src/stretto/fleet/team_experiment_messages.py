"""The words between leads and a hub about experiments of a team: paths, orders and answers, as JSON.

``GET /v1/experiments`` lists them, ``POST`` to it defines one, ``POST /v1/experiments/withdraw`` takes one
back. The team is that of the lead's token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

EXPERIMENTS_PATH = "/v1/experiments"
WITHDRAW_PATH = "/v1/experiments/withdraw"

TASK_SECONDS = "task_seconds"

TEAM_METRICS = (TASK_SECONDS, "elapsed_seconds", "wall_seconds", "tokens", "dollars", "success")
"""The metrics of a team's experiments: those of a machine's that documents have. A test compares them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentOrder:
    """An experiment that a lead defines. It begins at once."""

    name: str
    metric: str
    days: int
    """Whole days (UTC) after that of the definition; it ends with the last."""
    arms: tuple[str, str] = ("A", "B")
    """Values of the label: the usual way, and the new one."""
    label: str = "arm"
    """Key of the sessions' label, which machines must ship (``fleet.shown_labels``)."""
    pattern: str | None = None
    """Only sessions of this pattern count, as the hub names it; else each is compared within its pattern."""
    type: str | None = None
    """Only tasks of this type count, if their lengths are compared."""
    is_paired: bool = True
    """Whether each person runs both arms; else each runs one."""


@dataclass(frozen=True, slots=True)
class WithdrawalOrder:
    """The experiment that a lead takes back."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentEntry:
    """An experiment as leads see it."""

    team: str
    name: str
    metric: str
    arms: tuple[str, str]
    label: str
    pattern: str | None
    type: str | None
    is_paired: bool
    start: int
    """When it began (ns)."""
    end: int
    """Its planned end (ns)."""
    state: str
    people: Mapping[str, int] = field(default_factory=dict)
    """Arm → people of the answer; empty without one."""
    verdict: str | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = "ratio"
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class ExperimentList:
    """The experiments of a lead's team, or of all teams."""

    experiments: tuple[ExperimentEntry, ...]


decode_experiment_order = msgspec.json.Decoder(ExperimentOrder).decode
decode_withdrawal_order = msgspec.json.Decoder(WithdrawalOrder).decode
decode_experiment_list = msgspec.json.Decoder(ExperimentList).decode
decode_experiment_entry = msgspec.json.Decoder(ExperimentEntry).decode
"""Each of these raises msgspec.DecodeError, or its ValidationError, for something else."""
