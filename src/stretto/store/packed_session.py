"""A long session that is over, packed as it was concluded: reading it takes a tenth of concluding it again.

Its facts stay beside it and decide: after an event that follows, the session is concluded from them anew.
Concluding a shorter session takes a few milliseconds, and packed it would take as many bytes as its facts, so
it is not packed.
"""

from __future__ import annotations

import zlib
from collections import Counter

import msgspec

from stretto.figures.sums_by_dimension import Sums
from stretto.model.conclude_session import add_reported_entities
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import Session, Task
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.registry import NOT_SCORED, get_sums_version
from stretto.store.contributions.remembered_additions import ContributionSums
from stretto.store.contributions.tool_calls import add_up_tool_calls
from stretto.store.sums_by_time_slot import Additions, sum_by_measure

LONG = 1_000
"""The fewest tasks and calls of a session that is packed."""

_FASTEST = 1
"""The level of compression: better ones take twice as long for a tenth less."""

_Cell = tuple[str, tuple[str | int, ...], int]
"""Measure, values of its dimensions, sum."""


class PackedSession(msgspec.Struct, frozen=True, gc=False):
    """The content of a packed session."""

    session: Session
    typed_by_rules: tuple[int, ...]
    """The places of the tasks with the type that the configured rules give; a source declared any other."""
    sums_version: str
    cells: tuple[_Cell, ...] | None
    """Its sums without ``NOT_SCORED``. None with phases, which have sums of their own, and with judgements,
    whose sums depend on the configured scales."""

    def make_sums(self) -> Sums | None:
        """Return its sums, if they are packed."""
        if self.cells is None:
            return None
        sums: dict[str, dict[tuple[str | int, ...], int]] = {}
        for measure, dims, value in self.cells:
            sums.setdefault(measure, {})[dims] = value
        return sums


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PackedSession).decode


def pack_session_if_long(context: SessionContext, contributions: ContributionSums) -> bytes | None:
    """Return a session that is over with all of its entities and its sums, packed; None of a shorter one.

    ``contributions`` has its additions by contribution. None also if a number has more than 64 bits.
    """
    if not context.over:
        return None
    session = context.whole
    if len(session.tasks) + len(session.tool_calls) + len(session.model_calls) < LONG:
        return None
    session = add_reported_entities(session, context.facts, closed=context.closed)
    by_rules = [place for place, task in enumerate(session.tasks) if _is_typed_by(context.classify, task)]
    cells = None
    if not session.phases and not session.scores:
        of_calls: Additions = Counter()
        add_up_tool_calls(session.tool_calls, 1, of_calls)
        sums = sum_by_measure((*contributions.iterate_additions(without=NOT_SCORED), of_calls))
        cells = tuple(
            [(measure, *cell) for measure in sorted(sums) for cell in sorted(sums[measure].items())]
        )
    try:
        content = _encode(PackedSession(session, tuple(by_rules), _get_version(), cells))
    except OverflowError:
        return None
    return zlib.compress(content, _FASTEST)


def unpack_session(packed: bytes, classify: Classify | None) -> PackedSession | None:
    """Return a packed session; None if it was packed by other sums, or these rules type a task otherwise.

    Without rules any types will do. Raises msgspec.DecodeError for damaged bytes.
    """
    try:
        content = _decode(zlib.decompress(packed))
    except (zlib.error, TypeError) as error:
        raise msgspec.DecodeError(f"a packed session cannot be decompressed: {error}") from error
    if content.sums_version != _get_version():
        return None
    if classify is None:
        return content
    tasks = content.session.tasks
    return content if all(_is_typed_by(classify, tasks[place]) for place in content.typed_by_rules) else None


def _is_typed_by(classify: Classify, task: Task) -> bool:
    return task.task_type == classify(task.description, task.agent)


def _get_version() -> str:
    return f"{get_sums_version()} without {' '.join(sorted(NOT_SCORED))}"
