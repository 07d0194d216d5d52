"""Work out the answer of a team's experiment, if it shows no fewer than five people.

Each arm has five people and more, and each of them counts alike: nobody's share of an arm exceeds a fifth.
Example: of 12 people in an answer, 10 are in that of another experiment of the same weeks, by the same
sessions. Both answers could be subtracted down to 2 people, so the second one is withheld for good.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from stretto.hub.enough_people_release_rule import COHORT
from stretto.hub.team_experiment import ExperimentResult, ExperimentState, Members, TeamExperiment

if TYPE_CHECKING:
    from stretto.analysis.experiment_among_people import PersonRun

_DECIMALS = 2
"""Of what is shown."""


def count_people_in_fives(
    experiment: TeamExperiment, runs: Iterable[PersonRun], weeks: int
) -> TeamExperiment:
    """Return a running experiment with its people after some whole weeks, rounded down to fives."""
    people: dict[str, set[str]] = {arm: set() for arm in experiment.order.arms}
    for run in runs:
        people[run.arm].add(run.person)
    counts = {arm: len(of_arm) // COHORT * COHORT for arm, of_arm in people.items()}
    return replace(experiment, weeks=weeks, people=counts)


def conclude_experiment(
    experiment: TeamExperiment, runs: Sequence[PersonRun], others: Iterable[TeamExperiment]
) -> TeamExperiment:
    """Return an experiment with its answer, or as withheld. It is over either way.

    ``runs`` are those of its time and arms, ``others`` the experiments of the tenant. Raises
    AnalysisNotInstalledError.
    """
    from stretto.analysis.experiment_among_people import choose_runs, compare_arms  # noqa: PLC0415  # loads numpy
    from stretto.analysis.experiment_definition_and_plan import ExperimentMetric  # noqa: PLC0415  # loads scipy

    order = experiment.order
    chosen = choose_runs(runs, order.arms, is_paired=order.is_paired)
    members = _digest_people(chosen, order.arms)
    if any(len(people) < COHORT for people in members.values()) or not all(
        is_safe_beside(members, other.seen) for other in others if _overlaps(experiment, other)
    ):
        return replace(experiment, state=ExperimentState.WITHHELD, people={})
    compared = compare_arms(chosen, ExperimentMetric(order.metric), order.arms, is_paired=order.is_paired)
    estimate = compared.estimate
    result = ExperimentResult(compared.verdict)
    if estimate is not None:
        result = ExperimentResult(
            compared.verdict,
            round(estimate.effect, _DECIMALS),
            round(estimate.low, _DECIMALS),
            round(estimate.high, _DECIMALS),
            estimate.unit,
            None if compared.detectable is None else round(compared.detectable, _DECIMALS),
        )
    return replace(
        experiment,
        state=ExperimentState.CONCLUDED,
        people={arm: len(people) for arm, people in members.items()},
        result=result,
        seen=members,
    )


def is_safe_beside(members: Members, seen: Members) -> bool:
    """Return whether the difference to another answer shows nobody, or five people and more.

    A person is in the difference of two arms if different runs of his count in them.
    """
    differences = (of_arm.items() ^ others.items() for of_arm in members.values() for others in seen.values())
    return all(len({person for person, _ in changed}) not in range(1, COHORT) for changed in differences)


def _overlaps(experiment: TeamExperiment, other: TeamExperiment) -> bool:
    """Return whether runs may count in both: those of an experiment lie within its time."""
    return other.start < experiment.end and experiment.start < other.end


def _digest_people(runs: Iterable[PersonRun], arms: tuple[str, str]) -> Members:
    ids: dict[str, dict[str, list[str]]] = {arm: defaultdict(list) for arm in arms}
    for run in runs:
        ids[run.arm][run.person].append(run.id)
    return {
        arm: {person: _digest(of_person) for person, of_person in sorted(people.items())}
        for arm, people in ids.items()
    }


def _digest(ids: Iterable[str]) -> str:
    return sha256("\n".join(sorted(ids)).encode("utf-8", "surrogatepass")).hexdigest()[:12]
