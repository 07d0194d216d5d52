"""List which files the tasks of a session wrote, and when: the ground of every conflict between results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from stretto.model.entities import Task, ToolCall
from stretto.model.event import Outcome


class FileWrite(NamedTuple):
    """Files that were written together. A plain tuple: each conclusion of a session makes them anew."""

    task: str | None
    """The task that wrote, by itself or by a call; None is the main agent."""
    wrote: str
    """Keyed hashes of the paths, space-separated."""
    at: int | None
    """When it was over (ns); its start if no end is known."""
    new_files: int | None = None
    """How many of the files did not exist before, if a call said so."""


def list_file_writes(tasks: Iterable[Task], calls: Iterable[ToolCall]) -> Iterator[FileWrite]:
    """Yield what tasks were declared to write, and what calls wrote that did not fail."""
    for task in tasks:
        if task.wrote:
            yield FileWrite(task.id, task.wrote, task.start if task.end is None else task.end)
    for call in calls:
        # Few calls write, and a call has no outcome to be looked at then.
        if call.wrote and call.outcome is not Outcome.FAILURE:
            yield FileWrite(
                call.task, call.wrote, call.start if call.end is None else call.end, call.new_files
            )
