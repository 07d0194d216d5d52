"""Sum up what each owner did on a day by task type. It never leaves the hub: analyses of teams read it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from stretto.figures.quantile_sketch import get_bucket_value
from stretto.hub.engine import OwnerSum
from stretto.model.event import Outcome
from stretto.model.owner_days import OwnerDay, OwnerWork
from stretto.names.measures import TASK_TIME, TASKS, Dimension, find_dimension_index

WorkByType = Mapping[str, Mapping[str, OwnerWork]]
"""Task type → owner → what the owner did of it on a day."""

_DECIMALS = 4
"""Of a logarithm: a hundredth of a percent of a length."""


@dataclass(slots=True)
class _Amounts:
    """Sums of an owner and a type while they are added up."""

    tasks: int = 0
    logs: float = 0.0
    outcomes: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def sum_up_owner_work(sums: Iterable[OwnerSum], left_out: frozenset[str]) -> WorkByType:
    """Return the work by type and owner of a day's sums, without that of the owners who are ``left_out``."""
    amounts: dict[tuple[str, str], _Amounts] = defaultdict(_Amounts)
    for each in sums:
        if each.measure not in {TASK_TIME, TASKS} or each.owner in left_out or each.value <= 0:
            continue
        type_ = str(each.dims[find_dimension_index(each.measure, Dimension.TASK_TYPE)])
        of_owner = amounts[type_, each.owner]
        if each.measure == TASKS:
            outcome = str(each.dims[find_dimension_index(TASKS, Dimension.OUTCOME)])
            of_owner.outcomes[outcome] += each.value
            continue
        bucket = each.dims[find_dimension_index(TASK_TIME, Dimension.BUCKET)]
        if isinstance(bucket, int):
            of_owner.tasks += each.value
            of_owner.logs += each.value * math.log(get_bucket_value(bucket))
    work: dict[str, dict[str, OwnerWork]] = {}
    for (type_, owner), of_owner in sorted(amounts.items()):
        mean = of_owner.logs / of_owner.tasks if of_owner.tasks else 0.0
        failures = of_owner.outcomes[Outcome.FAILURE.value]
        judged = failures + of_owner.outcomes[Outcome.SUCCESS.value]
        if of_owner.tasks or judged:
            by_owner = work.setdefault(type_, {})
            by_owner[owner] = OwnerWork(of_owner.tasks, round(mean, _DECIMALS), failures, judged)
    return work


def list_owner_days(day: int, group: str, work: WorkByType, names: Mapping[str, str]) -> Iterator[OwnerDay]:
    """Yield the work of a released group. ``names`` has the name under which each task type is released."""
    for type_, by_owner in work.items():
        is_shown = names.get(type_) == type_ and [*names.values()].count(type_) == 1
        for owner, of_owner in by_owner.items():
            yield OwnerDay(day, group, owner, type_, is_shown, of_owner)
