"""Model calls of one held session: concluded as they change, so that long ones cost no more than short ones.

A call may be known by the id of its request to one source and by that of its response to another, and is
then one. So a change of one reaches those that it is linked with, and no others; save in sessions with calls
without an id of their own, which are rare and taken whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stretto.model.conclude_calls import conclude_model_calls
from stretto.model.entities import ModelCall
from stretto.model.facts import SessionFacts, get_number, get_text
from stretto.model.model_call_cost import Cost, NewUsage, Price
from stretto.model.model_name import normalise_model
from stretto.names import fields
from stretto.store.contributions.model_calls import add_up_model_call
from stretto.store.rollup import Additions, Amount


@dataclass(slots=True)
class _ReportedUsage:
    """What the news has told of a call, or of those that turned out to be one."""

    tokens: Counter[str] = field(default_factory=Counter)
    cost: int = 0
    timed: bool = False


@dataclass(slots=True)
class ModelCallSums:
    """What the model calls of one session have added to the sums, and what the news has told of them."""

    counted: dict[str, tuple[Amount, ...]] = field(default_factory=dict)
    """By id; nothing for one that is known by another id as well."""
    _named_by: dict[str, set[str]] = field(default_factory=dict)
    """Request → calls that said to have come of it; some may say otherwise by now."""
    _told: dict[str, _ReportedUsage] = field(default_factory=dict)
    _some_anonymous: bool = False

    def settle(
        self,
        facts: SessionFacts,
        touched: Iterable[str],
        price: Price,
        change: Additions,
        news: list[NewUsage],
    ) -> None:
        """Conclude again what may have changed; add by how much the sums do, and tell the news."""
        ids = self._reached(facts, touched)
        calls = {call.id: call for call in conclude_model_calls(facts, ids)}
        # The first of several that name one request is the one that this request became part of.
        for id in sorted(ids):
            call = calls.get(id)
            cost = None if call is None else price(call)
            added = () if call is None else add_up_model_call(call, cost)
            before = self.counted.get(id, ())
            if added != before:
                for addition, amount in added:
                    change[addition] += amount
                for addition, amount in before:
                    change[addition] -= amount
                self.counted[id] = added
            if call is not None and call.start is not None:
                self._tell(call, call.start, cost, self._ids_of(facts, call.id, calls), news)

    def _reached(self, facts: SessionFacts, touched: Iterable[str]) -> set[str]:
        """Return the calls that changed, with all those that are linked with them."""
        new = set(touched)
        for id in new:
            known = facts.model_calls[id]
            self._some_anonymous |= get_number(known, fields.ANONYMOUS) == 1
            request = get_text(known, fields.REQUEST)
            if request is not None:
                self._named_by.setdefault(request, set()).add(id)
        if self._some_anonymous:
            return set(facts.model_calls)
        reached: set[str] = set()
        while new:
            id = new.pop()
            reached.add(id)
            request = get_text(facts.model_calls[id], fields.REQUEST)
            linked = {*self._named_by.get(id, ()), *([request] if request in facts.model_calls else [])}
            new |= linked - reached
        return reached

    def _ids_of(self, facts: SessionFacts, id: str, calls: Mapping[str, ModelCall]) -> tuple[str, ...]:
        """Return the ids by which a call is known: its own, and its request's where that is no other call."""
        request = get_text(facts.model_calls[id], fields.REQUEST)
        return (id,) if request is None or request in calls else (id, request)

    def _tell(
        self, call: ModelCall, start: int, cost: Cost | None, ids: tuple[str, ...], news: list[NewUsage]
    ) -> None:
        # A transcript tells a call again with every block, each time with more tokens; a second source
        # tells it under another id. Counters only rise, so each is told by how much more it is than before.
        before = [told for id in ids if (told := self._told.pop(id, None)) is not None]
        told = _ReportedUsage(
            sum((one.tokens for one in before), Counter()),
            sum(one.cost for one in before),
            any(one.timed for one in before),
        )
        self._told[call.id] = told
        tokens = (
            Counter({kind: count for kind, count in call.tokens.to_counts().items() if count}) - told.tokens
        )
        amount = max(0, (cost.amount if cost else 0) - told.cost)
        duration = None if told.timed else call.duration
        told.tokens += tokens
        told.cost += amount
        told.timed = told.timed or duration is not None
        if tokens or amount or duration is not None:
            end = start + (call.duration or 0)
            news.append(NewUsage(normalise_model(call.model), end, tokens, amount, duration))
