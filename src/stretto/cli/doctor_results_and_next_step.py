"""The results of ``doctor``'s checks, and the step that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

STATIONS_BY_USE = ("service", "journal", "hooks")
"""The stations whose notes a new user should act on, the most useful first."""


class CheckVerdict(StrEnum):
    """The state of a station."""

    FINE = "fine"
    NOTE = "note"
    """It works or is unused, with a remark."""
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of the check of a station, with a remedy."""

    station: str
    verdict: CheckVerdict
    found: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class NextStep:
    """A thing to do, and why."""

    action: str
    reason: str


def choose_next_step(results: Sequence[CheckResult]) -> NextStep:
    """Return the step that helps most: repair the first trouble, else add a missing part, else look."""
    for result in results:
        if result.verdict is CheckVerdict.TROUBLE:
            return NextStep(result.hint or "stretto doctor", f"{result.station}: {result.found}")
    notes = {result.station: result for result in results if result.verdict is CheckVerdict.NOTE}
    for station in STATIONS_BY_USE:
        if (note := notes.get(station)) is not None and note.hint:
            return NextStep(note.hint, f"{station}: {note.found}")
    return NextStep("stretto top", "everything runs")


def format_next_step(step: NextStep) -> str:
    """Return the step as a line."""
    return f"next: {step.action} ({step.reason})"
