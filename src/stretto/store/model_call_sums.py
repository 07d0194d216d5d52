"""The sums of the model calls of a session, kept call by call: a long session costs no more per batch.

Two sources may know the same call by different ids, that of the request and that of the response. A change of
a call therefore reaches only the calls linked with it by such ids. The exception are sessions with calls that
have no id of their own: these are rare, and all of their calls are concluded again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stretto.model.conclude_calls import conclude_model_calls
from stretto.model.entities import ModelCall
from stretto.model.facts import SessionFacts, get_number, get_text
from stretto.model.model_name import normalise_model
from stretto.model.priced_usage import Cost, NewUsage, Price
from stretto.names import fact_fields
from stretto.store.contributions.model_calls import add_up_model_call
from stretto.store.rollup import Additions, Amount


@dataclass(slots=True)
class _ReportedUsage:
    """The usage already passed on of a call, or of several that turned out to be the same."""

    tokens: Counter[str] = field(default_factory=Counter)
    cost: int = 0
    timed: bool = False


@dataclass(slots=True)
class ModelCallSums:
    """The amounts that the model calls of a session have added, and the usage already passed on."""

    amounts: dict[str, tuple[Amount, ...]] = field(default_factory=dict)
    """By call id; empty for an id that is a second name of another call."""
    _calls_by_request: dict[str, set[str]] = field(default_factory=dict)
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
            for addition, amount in self.amounts.pop(id, ()):
                change[addition] -= amount
        calls = {call.id: call for call in conclude_model_calls(facts, ids)}
        # If several calls name the same request, the request is part of the first of them.
        for id in sorted(ids):
            call = calls.get(id)
            cost = None if call is None else price(call)
            amounts = () if call is None else add_up_model_call(call, cost)
            before = self.amounts.get(id, ())
            if amounts != before:
                for addition, amount in amounts:
                    change[addition] += amount
                for addition, amount in before:
                    change[addition] -= amount
                self.amounts[id] = amounts
            if call is not None and call.start is not None:
                known_ids = self._list_ids(facts, call.id, calls)
                self._report_usage(call, call.start, cost, known_ids, new_usage)

    def _find_linked_calls(self, facts: SessionFacts, changed: Iterable[str]) -> set[str]:
        """Return the changed calls and all calls that are linked with them by a request id."""
        pending = facts.model_calls.keys() & set(changed)
        for id in pending:
            call_facts = facts.model_calls[id]
            self._some_anonymous |= get_number(call_facts, fact_fields.ANONYMOUS) == 1
            request = get_text(call_facts, fact_fields.REQUEST)
            if request is not None:
                self._calls_by_request.setdefault(request, set()).add(id)
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
        earlier = [usage for id in ids if (usage := self._reported.pop(id, None)) is not None]
        reported = _ReportedUsage(
            sum((usage.tokens for usage in earlier), Counter()) if earlier else Counter(),
            sum(usage.cost for usage in earlier),
            any(usage.timed for usage in earlier),
        )
        self._reported[call.id] = reported
        tokens = {
            kind: growth
            for kind, count in call.tokens.to_counts().items()
            if count and (growth := count - reported.tokens[kind]) > 0
        }
        amount = max(0, (cost.amount if cost else 0) - reported.cost)
        duration = None if reported.timed else call.duration
        reported.tokens.update(tokens)
        reported.cost += amount
        reported.timed = reported.timed or duration is not None
        if tokens or amount or duration is not None:
            end = start + (call.duration or 0)
            new_usage.append(NewUsage(normalise_model(call.model), end, tokens, amount, duration))
