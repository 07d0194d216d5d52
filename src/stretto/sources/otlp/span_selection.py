"""Span links: choose the spans of each trace that are written, in whatever order they come.

Most spans of a trace are not about agents. Those that lie between an entity and the top of its trace are
written too, since they link it with the entities above. Whether a span lies there is known only once a span
below it was written. So spans without an entity wait in memory, and the missing parents of written spans are
remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock

import msgspec

from stretto.sources.otlp.plain_records import Span

TRACE_LIMIT = 10_000
"""Traces remembered; the trace that was idle for longest is forgotten first."""

WAITING_LIMIT = 20_000
"""Spans that wait in memory, about 6 MB, whatever their traces."""

# A span that waits takes a third of the memory as bytes, and nearly none is ever unpacked again.
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Span).decode


@dataclass(slots=True)
class _TraceLinks:
    waiting: dict[str, bytes | Span] = field(default_factory=dict)
    """Spans without an entity, none of whose children was written, packed."""
    missing: set[str] = field(default_factory=set)
    """Parents of written spans that have not come."""


class SpanLinks:
    """The spans of recent traces that wait to be linked. Safe to use from several threads."""

    def __init__(self, trace_limit: int = TRACE_LIMIT, waiting_limit: int = WAITING_LIMIT) -> None:
        self._traces: OrderedDict[str, _TraceLinks] = OrderedDict()
        self._trace_limit = trace_limit
        self._waiting_limit = waiting_limit
        self._waiting = 0
        self._lock = Lock()

    def select_spans(
        self, trace: str, spans: Iterable[Span], is_relevant: Callable[[Span], bool]
    ) -> list[Span]:
        """Return the spans to write now: those with an entity and all known links above written spans.

        Example: agent 3 below steps 2 and 1. Step 2 comes first and waits. With agent 3 both are returned,
        and step 1 is missing. When it comes, it is returned at once.
        """
        with self._lock:
            links = self._traces.setdefault(trace, _TraceLinks())
            self._traces.move_to_end(trace)
            selected: dict[str, Span] = {}
            for span in spans:
                if is_relevant(span) or span.id in links.missing:
                    selected[span.id] = span
                elif span.id not in links.waiting:
                    links.waiting[span.id] = _pack_span(span)
                    self._waiting += 1
            for span in list(selected.values()):
                links.missing.discard(span.id)
                self._select_parents(links, span, selected)
            self._drop_oldest()
            return list(selected.values())

    def recall_span(self, trace: str, span: str, parent: str | None, seen: set[str]) -> None:
        """Note a span that was written before a restart; ``seen`` are the spans read so far, oldest first."""
        with self._lock:
            links = self._traces.setdefault(trace, _TraceLinks())
            self._traces.move_to_end(trace)
            links.missing.discard(span)
            if parent is not None and parent not in seen:
                links.missing.add(parent)
            self._drop_oldest()

    def count_waiting(self) -> int:
        """Return the number of spans that wait in memory."""
        return self._waiting

    def _select_parents(self, links: _TraceLinks, span: Span, selected: dict[str, Span]) -> None:
        parent = span.parent
        while parent and parent not in selected:
            packed = links.waiting.pop(parent, None)
            if packed is None:
                links.missing.add(parent)
                return
            link = packed if isinstance(packed, Span) else _unpack(packed)
            self._waiting -= 1
            links.missing.discard(parent)
            selected[parent] = link
            parent = link.parent

    def _drop_oldest(self) -> None:
        while len(self._traces) > 1 and (
            len(self._traces) > self._trace_limit or self._waiting > self._waiting_limit
        ):
            _, oldest = self._traces.popitem(last=False)
            self._waiting -= len(oldest.waiting)
        latest = next(reversed(self._traces.values()))
        while self._waiting > self._waiting_limit and latest.waiting:
            del latest.waiting[next(iter(latest.waiting))]
            self._waiting -= 1


def _pack_span(span: Span) -> bytes | Span:
    try:
        return _pack(span)
    except OverflowError:
        # An attribute in JSON may be a number of more than 64 bits.
        return span
