"""Find the files that two sessions of one project wrote while both were open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from stretto.figures.file_writes import FileWrite
from stretto.model.interval import Interval
from stretto.names import MAIN_AGENT


@dataclass(frozen=True, slots=True)
class SessionWrites:
    """What a session wrote."""

    session: str
    interval: Interval
    writes: Sequence[FileWrite] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    """Id of each task that wrote → what it is called."""


@dataclass(frozen=True, slots=True)
class SessionConflict:
    """Two sessions that wrote the same files while both were open; pairs are in the order of their starts."""

    sessions: tuple[str, str]
    files: tuple[str, ...]
    """Keyed hashes of the paths."""
    tasks: tuple[tuple[str, ...], tuple[str, ...]]
    """Titles of the tasks that wrote them; that of the main agent is ``MAIN_AGENT``."""
    at: int
    """When a file was first written by both."""


def find_session_conflicts(sessions: Iterable[SessionWrites]) -> list[SessionConflict]:
    """Return the conflicts between sessions of one project, those with the most files first.

    A path is absolute: two worktrees have no file in common. Example: ``a`` is open from 0 to 100 s and
    writes a file at 50 s, ``b`` from 40 to 90 s and writes it at 80 s: they conflict since 80 s.
    """
    ordered = sorted(sessions, key=lambda each: (each.interval, each.session))
    writers: dict[str, dict[int, list[FileWrite]]] = defaultdict(lambda: defaultdict(list))
    for place, session in enumerate(ordered):
        for write in session.writes:
            for file in set(write.wrote.split()):
                writers[file][place].append(write)
    shared: dict[tuple[int, int], dict[str, tuple[list[FileWrite], list[FileWrite]]]] = defaultdict(dict)
    for file, by_session in sorted(writers.items()):
        for pair in combinations(sorted(by_session), 2):
            both = _find_common_time(*(ordered[place].interval for place in pair))
            first, second = ([write for write in by_session[place] if _is_in(write, both)] for place in pair)
            if first and second:
                shared[pair][file] = first, second
    conflicts = [_make_conflict(ordered[a], ordered[b], files) for (a, b), files in shared.items()]
    return sorted(conflicts, key=lambda each: (-len(each.files), each.at, each.sessions))


def _find_common_time(first: Interval, second: Interval) -> Interval:
    return Interval(max(first.start, second.start), min(first.end, second.end))


def _is_in(write: FileWrite, both: Interval) -> bool:
    return write.at is not None and both.start <= write.at <= both.end


def _make_conflict(
    first: SessionWrites,
    second: SessionWrites,
    files: Mapping[str, tuple[list[FileWrite], list[FileWrite]]],
) -> SessionConflict:
    return SessionConflict(
        (first.session, second.session),
        tuple(files),
        (
            _list_titles(first, (write for writes, _ in files.values() for write in writes)),
            _list_titles(second, (write for _, writes in files.values() for write in writes)),
        ),
        at=min(max(_get_first_time(one), _get_first_time(other)) for one, other in files.values()),
    )


def _list_titles(session: SessionWrites, writes: Iterable[FileWrite]) -> tuple[str, ...]:
    titles = (
        MAIN_AGENT if write.task is None else session.titles.get(write.task, write.task) for write in writes
    )
    return tuple(dict.fromkeys(titles))


def _get_first_time(writes: Iterable[FileWrite]) -> int:
    return min(write.at for write in writes if write.at is not None)
