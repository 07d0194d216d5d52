"""Unanswered waits: keep Claude Code's waits for permission until the span of their call comes."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from stretto.sources.otlp.plain_records import Span

TOOL_SPAN = "claude_code.tool"
WAIT_SPAN = "claude_code.tool.blocked_on_user"

WAIT_LIMIT = 1_000
"""Waits for permission that are kept until their call's span comes."""


class UnansweredWaits:
    """The waits for permission whose call's span has not come: it ends later, often in another request.

    Waits of calls that a restart finds open are forgotten, and so are the oldest beyond ``WAIT_LIMIT``.
    """

    def __init__(self) -> None:
        self._waits: OrderedDict[str, Span] = OrderedDict()
        self._lock = Lock()

    def complete_spans(self, spans: list[Span]) -> list[Span]:
        """Return the spans with the earlier waits of their calls, and keep those whose call is missing."""
        tools = {span.id for span in spans if span.name == TOOL_SPAN}
        with self._lock:
            for span in spans:
                if span.name == WAIT_SPAN and span.parent not in tools:
                    self._waits[span.parent] = span
            waits = [wait for tool in sorted(tools) if (wait := self._waits.pop(tool, None)) is not None]
            while len(self._waits) > WAIT_LIMIT:
                self._waits.popitem(last=False)
        return [*spans, *waits]
