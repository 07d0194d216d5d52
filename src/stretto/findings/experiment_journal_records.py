"""Experiments as decisions of the journal: definition, assignments and conclusion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from stretto.model.decisions import Decision, DecisionKind
from stretto.model.event import Value

if TYPE_CHECKING:
    from stretto.analysis.experiment_definition_and_plan import ExperimentDefinition

ARM = "arm"
STRATUM = "stratum"
SESSION = "session"


def make_definition_details(definition: ExperimentDefinition) -> dict[str, Value]:
    """Return a definition as the details of its decision."""
    details: dict[str, Value] = {
        "metric": definition.metric.value,
        "units": definition.units,
        "arms": [*definition.arms],
        "label": definition.label,
        "by_pattern": definition.by_pattern,
        "looks": definition.looks,
        "level": definition.level,
    }
    return details if definition.pair_by is None else details | {"pair_by": definition.pair_by}


def read_definitions(decisions: Iterable[Decision], *, concluded: bool = False) -> list[ExperimentDefinition]:
    """Return the experiments that decisions define, by time; concluded ones only if they are asked for.

    A definition that this version cannot read is left out. The last definition of a name counts.
    """
    from stretto.analysis.experiment_definition_and_plan import (  # noqa: PLC0415  # loads scipy
        ExperimentDefinition,
        ExperimentMetric,
    )

    listed = [*decisions]
    over = {
        decision.subject: decision.time for decision in listed if decision.kind is DecisionKind.CONCLUSION
    }
    definitions: dict[str, ExperimentDefinition] = {}
    for decision in listed:
        if decision.kind is not DecisionKind.EXPERIMENT or decision.subject is None:
            continue
        if not concluded and over.get(decision.subject, -1) >= decision.time:
            definitions.pop(decision.subject, None)
            continue
        details = decision.details
        arms, pair_by = details.get("arms"), details.get("pair_by")
        if details.get("metric") not in set(ExperimentMetric) or not isinstance(arms, list) or len(arms) != 2:  # noqa: PLR2004  # two arms
            continue
        definitions[decision.subject] = ExperimentDefinition(
            name=decision.subject,
            metric=ExperimentMetric(str(details["metric"])),
            units=_read_count(details, "units"),
            arms=(arms[0], arms[1]),
            label=str(details.get("label", "arm")),
            by_pattern=details.get("by_pattern") is not False,
            pair_by=pair_by if isinstance(pair_by, str) else None,
            looks=_read_count(details, "looks"),
            start=decision.time,
        )
    return [*definitions.values()]


def read_assignments(decisions: Iterable[Decision], experiment: str, stratum: str) -> dict[str, str]:
    """Return the arms of the sessions of a stratum that an experiment has assigned, in order."""
    return {
        str(decision.details[SESSION]): str(decision.details[ARM])
        for decision in decisions
        if decision.kind is DecisionKind.ASSIGNMENT
        and decision.subject == experiment
        and decision.details.get(STRATUM, "") == stratum
        and {SESSION, ARM} <= decision.details.keys()
    }


def _read_count(details: Mapping[str, Value], name: str) -> int:
    value = details.get(name)
    return value if isinstance(value, int) and value > 0 else 1
