"""The sums of the model calls of a session, kept call by call: a long session costs no more per batch.

Two sources may know the same call by different ids, that of the request and that of the response. A change of
a call therefore reaches only the calls linked with it by such ids. The exception are sessions with calls that
have no id of their own: these are rare, and all of their calls are concluded again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import add
from typing import NamedTuple

from stretto.model.call_cost_and_usage_types import Cost, NewUsage, Price
from stretto.model.calls_from_facts import conclude_model_calls
from stretto.model.entities import ModelCall, Tokens
from stretto.model.facts import SessionFacts, get_number, get_text
from stretto.model.model_name import normalise_model
from stretto.names import fact_fields
from stretto.store.contributions.model_calls import add_up_model_call
from stretto.store.sums_by_time_slot import Additions, Amount

_TOKEN_KINDS = tuple(Tokens().to_counts())
_NO_TOKENS = (0,) * len(_TOKEN_KINDS)


class _ReportedUsage(NamedTuple):
    """The usage already passed on of a call, or of several that turned out to be the same."""

    tokens: tuple[int, ...]
    """By kind, in the order of ``_TOKEN_KINDS``."""
    cost: int
    timed: bool


@dataclass(slots=True)
class ModelCallSums:
    """The amounts that the model calls of a session have added, and the usage already passed on."""

    _counted: dict[str, tuple[ModelCall, Cost | None]] = field(default_factory=dict)
    """Each call as its amounts were added, with its cost: these take a fifth of the memory of the amounts."""
    _calls_by_request: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Request id → ids of the calls that named it once; some may name another request by now."""
    _reported: dict[str, _ReportedUsage] = field(default_factory=dict)
    _some_anonymous: bool = False

    def update_sums(
        self,
        facts: SessionFacts,
        changed: Iterable[str],
        price: Price,
        change: Additions,
        new_usage: list[NewUsage],
    ) -> None:
        """Conclude the changed calls, add the change of the sums to ``change``, and collect new usage."""
        ids = self._find_linked_calls(facts, changed)
        for id in set(changed) - facts.model_calls.keys():
            # A call that turned out to be another's report adds nothing of its own.
            for addition, amount in _add_up(self._counted.pop(id, None)):
                change[addition] -= amount
        calls = {call.id: call for call in conclude_model_calls(facts, ids)}
        # If several calls name the same request, the request is part of the first of them.
        for id in sorted(ids):
            # An id that is a second name of another call has no call of its own.
            call, before = calls.get(id), self._counted.pop(id, None)
            counted = None if call is None else (call, price(call))
            if counted != before:
                for addition, amount in _add_up(counted):
                    change[addition] += amount
                for addition, amount in _add_up(before):
                    change[addition] -= amount
            if counted is not None:
                self._counted[id] = counted
                call, cost = counted
                if call.start is not None:
                    known_ids = self._list_ids(facts, call.id, calls)
                    self._report_usage(call, call.start, cost, known_ids, new_usage)

    def sum_additions(self) -> Additions:
        """Return all that the calls have added to the sums."""
        total: Additions = Counter()
        for counted in self._counted.values():
            for addition, amount in _add_up(counted):
                total[addition] += amount
        return total

    def _find_linked_calls(self, facts: SessionFacts, changed: Iterable[str]) -> set[str]:
        """Return the changed calls and all calls that are linked with them by a request id."""
        pending = facts.model_calls.keys() & set(changed)
        for id in pending:
            call_facts = facts.model_calls[id]
            self._some_anonymous |= get_number(call_facts, fact_fields.ANONYMOUS) == 1
            request = get_text(call_facts, fact_fields.REQUEST)
            if request is not None and id not in (named := self._calls_by_request.get(request, ())):
                self._calls_by_request[request] = (*named, id)
        if self._some_anonymous:
            return set(facts.model_calls)
        reached: set[str] = set()
        while pending:
            id = pending.pop()
            reached.add(id)
            request = get_text(facts.model_calls[id], fact_fields.REQUEST)
            linked = {
                *self._calls_by_request.get(id, ()),
                *([request] if request in facts.model_calls else []),
            }
            pending |= linked - reached
        return reached

    def _list_ids(self, facts: SessionFacts, id: str, calls: Mapping[str, ModelCall]) -> tuple[str, ...]:
        """Return the ids that name a call: its own, and that of its request unless it is another call's."""
        request = get_text(facts.model_calls[id], fact_fields.REQUEST)
        return (id,) if request is None or request in calls else (id, request)

    def _report_usage(
        self, call: ModelCall, start: int, cost: Cost | None, ids: tuple[str, ...], new_usage: list[NewUsage]
    ) -> None:
        # A transcript reports a call with every block, each time with more tokens; a second source reports it
        # under another id. Live counters only rise, so only the growth is passed on. Example: 100 output
        # tokens were passed on, the call now has 250: 150 are passed on.
        known, known_cost, timed = _NO_TOKENS, 0, False
        for id in ids:
            earlier = self._reported.pop(id, None)
            if earlier is not None:
                known = tuple(map(add, known, earlier.tokens))
                known_cost, timed = known_cost + earlier.cost, timed or earlier.timed
        used = tuple([count or 0 for count in call.tokens.to_counts().values()])
        tokens = {
            kind: count - before
            for kind, count, before in zip(_TOKEN_KINDS, used, known, strict=True)
            if count > before
        }
        amount = max(0, (cost.amount if cost else 0) - known_cost)
        duration = None if timed else call.duration
        self._reported[call.id] = _ReportedUsage(
            tuple(map(max, used, known)), known_cost + amount, timed or duration is not None
        )
        if tokens or amount or duration is not None:
            end = start + (call.duration or 0)
            new_usage.append(NewUsage(normalise_model(call.model), end, tokens, amount, duration))


def _add_up(counted: tuple[ModelCall, Cost | None] | None) -> tuple[Amount, ...]:
    return () if counted is None else add_up_model_call(*counted)
