"""Work out the answer of a team's experiment, if it shows no fewer than five people.

Each arm has five people and more, and each of them counts alike: nobody's share of an arm exceeds a fifth.
Example: of 12 people in an answer, 10 are in that of another experiment of the same weeks, by the same
sessions. Both answers could be subtracted down to 2 people, so the second one is withheld for good. So is
one beside which 2 people of the team were at work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import combinations
from typing import TYPE_CHECKING

from stretto.hub.enough_people_release_rule import COHORT
from stretto.hub.people_outside_an_answer import Teams, is_safe_beside_teams
from stretto.hub.team_experiment import ExperimentResult, ExperimentState, Members, TeamExperiment

if TYPE_CHECKING:
    from stretto.analysis.experiment_among_people import PersonRun

_DECIMALS = 2
"""Of what is shown."""

_DIGITS = 12
"""Of a digest."""

_Arm = Mapping[str, str]
"""Person → digest."""


def conclude_experiment(
    experiment: TeamExperiment,
    runs: Sequence[PersonRun],
    others: Iterable[TeamExperiment],
    times: Sequence[Teams],
) -> TeamExperiment:
    """Return an experiment with its answer, or as withheld. It is over either way.

    ``runs`` are those of its time and arms, ``others`` the experiments of the tenant. ``times`` are the
    teams at work in its time (``list_people_at_work``). Raises AnalysisNotInstalledError.
    """
    from stretto.analysis.experiment_among_people import choose_runs, compare_arms  # noqa: PLC0415  # loads numpy
    from stretto.analysis.experiment_definition_and_plan import ExperimentMetric  # noqa: PLC0415  # loads scipy

    order = experiment.order
    chosen = choose_runs(runs, order.arms, is_paired=order.is_paired)
    members = _digest_people(chosen, order.arms)
    is_enough = all(len(people) >= COHORT for people in members.values())
    if not (
        is_enough
        and is_safe_beside_teams(map(frozenset, members.values()), *times)
        and is_safe_beside(members, [other.seen for other in others])
    ):
        return replace(experiment, state=ExperimentState.WITHHELD)
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
    return replace(experiment, state=ExperimentState.CONCLUDED, result=result, seen=members)


def is_safe_beside(members: Members, seen: Iterable[Members]) -> bool:
    """Return whether no difference to other answers shows one to four people.

    A person is in the difference of two arms if different runs of his count in them. Two arms without a
    person in common are added up, too: the answers of two teams and that of both differ by those who are
    missing. Sessions are compared alone, as between answers by different metrics, and with their tasks.
    """
    known = [*seen]
    return all(
        _are_far(_list_arms([members], part), _list_arms(known, part))
        for part in (slice(_DIGITS), slice(_DIGITS, None))
    )


def _list_arms(answers: Iterable[Members], part: slice) -> list[_Arm]:
    """Return the arms of answers with a part of each digest."""
    return [
        {person: digests[part] for person, digests in people.items()}
        for members in answers
        for people in members.values()
    ]


def _are_far(arms: Sequence[_Arm], seen: Sequence[_Arm]) -> bool:
    """Return whether nobody or five people differ between an arm and others, or the sum of two."""
    every = [*arms, *seen]
    for arm in arms:
        near = [other for other in every if _is_near(other, arm)]
        pairs = [{**one, **other} for one, other in combinations(near, 2) if one.keys().isdisjoint(other)]
        if any(_differ_by_few(arm, other) for other in (*seen, *pairs)):
            return False
    for other in seen:
        for arm in arms:
            # Few arms are near another: so there are few sums to look at.
            if _is_near(arm, other):
                rest = (each for each in every if _is_near(each, other) and each.keys().isdisjoint(arm))
                if any(_differ_by_few({**arm, **each}, other) for each in rest):
                    return False
    return True


def _is_near(part: _Arm, whole: _Arm) -> bool:
    """Return whether all but at most four people of an arm are in another by the same runs."""
    return len(part.items() - whole.items()) < COHORT


def _differ_by_few(arm: _Arm, other: _Arm) -> bool:
    return len({person for person, _ in arm.items() ^ other.items()}) in range(1, COHORT)


def _digest_people(runs: Iterable[PersonRun], arms: tuple[str, str]) -> Members:
    own: dict[str, dict[str, list[PersonRun]]] = {arm: defaultdict(list) for arm in arms}
    for run in runs:
        own[run.arm][run.person].append(run)
    return {
        arm: {
            person: _digest(run.id for run in mine) + _digest("\0".join((run.id, *run.tasks)) for run in mine)
            for person, mine in sorted(people.items())
        }
        for arm, people in own.items()
    }


def _digest(ids: Iterable[str]) -> str:
    return sha256("\n".join(sorted(ids)).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
