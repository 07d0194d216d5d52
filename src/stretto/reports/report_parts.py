"""The parts of a report on a period, and the choice of those that a reader wants."""

from __future__ import annotations

from enum import StrEnum

from stretto.errors import ConfigError, find_nearest_word


class ReportPart(StrEnum):
    """A part, by its key in the report's JSON, in the order in which a report has them."""

    TARGETS = "kpis"
    WORK = "work"
    DELIVERY = "delivery"
    COST = "cost"
    CHANGES = "changes"
    FINDINGS = "findings"
    RECOMMENDATIONS = "recommendations"
    FORECAST = "forecast"
    CAPTURE = "capture"
    UNTOLD = "untold"


ALL_PARTS = tuple(ReportPart)


def parse_report_parts(text: str, setting: str, where: str) -> tuple[ReportPart, ...]:
    """Return the parts that a list with commas names, in the order of the report; all for an empty text.

    Raises ConfigError, which names ``setting`` and ``where`` it came from, for an unknown part.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [part.value for part in ALL_PARTS]
    for name in names:
        if name not in known:
            near = find_nearest_word(name, known)
            raise ConfigError(
                f"{setting} names an unknown part of a report",
                where=where,
                cause=f"it names {name!r}",
                hint=(f"did you mean {near}? " if near else "") + f"the parts are {', '.join(known)}",
            )
    return tuple(part for part in ALL_PARTS if not names or part.value in names)
