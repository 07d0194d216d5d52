"""The additions of a session by contribution, so that only those that have changed are made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.contribution_parts_by_task_or_fanout import PartSums
from stretto.store.contributions.registry import CONTRIBUTIONS
from stretto.store.sums_by_time_slot import Additions


@dataclass(slots=True)
class ContributionSums:
    """What a session has added to the sums by each contribution, by its name in ``CONTRIBUTIONS``.

    The context of the rest is that of the session without its settled tasks, the same object if none are.
    """

    context: SessionContext | None = None
    """The context that the additions were computed from."""
    _whole: dict[str, Additions] = field(default_factory=dict)
    """The additions of each contribution without parts."""
    _parts: dict[str, PartSums] = field(default_factory=dict)
    """Those of each contribution that consists of parts, without the parts of settled tasks."""
    _settled: dict[str, PartSums] = field(default_factory=dict)
    """Those of the parts of settled tasks."""
    _has_returned: bool = False
    """Whether tasks that were settled count with the rest since the last update."""

    def update(
        self, context: SessionContext, rest: SessionContext, changed: AbstractSet[str], change: Additions
    ) -> None:
        """Compute the contributions again whose inputs have changed, and add the difference to ``change``.

        ``changed`` are the kinds of the entities whose facts have changed.
        """
        if self.context is not None:
            changed = changed | context.find_changes(self.context)
        for name, contribution in CONTRIBUTIONS.items():
            is_due = self.context is None or not contribution.reads.isdisjoint(changed)
            if contribution.list_parts is not None:
                if is_due or (self._has_returned and contribution.is_of_tasks):
                    source = rest if contribution.is_of_tasks else context
                    self._get_parts(name).update_sums(contribution.list_parts(source), change)
            elif is_due:
                before, additions = self._whole.pop(name, None), contribution.compute(context)
                if additions:
                    self._whole[name] = additions
                if before is None:
                    change.update(additions)
                elif additions != before:
                    change.update(additions)
                    change.subtract(before)
        self.context, self._has_returned = context, False

    def settle(self, newly_settled: SessionContext, rest: SessionContext, change: Additions) -> None:
        """Set the parts of newly settled tasks apart; ``change`` gets only what these had not added yet."""
        for name, contribution in CONTRIBUTIONS.items():
            if contribution.list_parts is not None and contribution.is_of_tasks:
                parts = self._get_parts(name)
                settled = self._settled.setdefault(name, PartSums())
                settled.take_over(contribution.list_parts(newly_settled), parts, change)
                parts.update_sums(contribution.list_parts(rest), change)

    def unsettle(self) -> None:
        """Let the parts of settled tasks count with the rest again."""
        for name, settled in self._settled.items():
            self._get_parts(name).take_all(settled)
        self._settled, self._has_returned = {}, True

    def sum_additions(self) -> Additions:
        """Return all that the contributions have added."""
        total: Additions = Counter()
        for additions in self.iterate_additions():
            total.update(additions)
        return total

    def iterate_additions(self, *, without: AbstractSet[str] = frozenset()) -> Iterator[Additions]:
        """Yield the additions of each contribution, of settled tasks apart; ``without`` some by name."""
        for name in CONTRIBUTIONS:
            if name in without:
                continue
            if name in self._whole:
                yield self._whole[name]
            for sums in (self._parts.get(name), self._settled.get(name)):
                if sums is not None:
                    yield sums.sum_additions()

    def _get_parts(self, name: str) -> PartSums:
        return self._parts.setdefault(name, PartSums())
