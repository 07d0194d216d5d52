"""Sums of the files that agents wrote and created, once a session is over."""

from __future__ import annotations

from collections import Counter, defaultdict

from stretto.figures.file_writes import list_file_writes
from stretto.names import MAIN, NONE, measures
from stretto.store.contributions.contribution import SessionContext
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_written_files(context: SessionContext) -> Additions:
    """Return the files that each agent wrote, by their hashes, and how many of them it created.

    A file that an agent writes twice is one file of it. Example: an agent creates a file and edits it and
    another: 2 written, 1 created. Nothing while the session runs.
    """
    added: Additions = Counter()
    if not context.over:
        return added
    session = context.whole
    agents: dict[str | None, str] = {task.id: task.agent or NONE for task in session.tasks}
    agents[None] = MAIN
    written: dict[str, set[str]] = defaultdict(set)
    known: dict[str, set[str]] = defaultdict(set)
    created: Counter[str] = Counter()
    for write in list_file_writes(session.tasks, session.tool_calls):
        agent = agents.get(write.task, NONE)
        written[agent].update(write.wrote.split())
        if write.new_files is not None:
            known[agent].update(write.wrote.split())
            created[agent] += write.new_files
    slot = find_slot_number(session.last if session.end is None else session.end)
    for agent, files in written.items():
        added[slot, measures.FILES_WRITTEN, (agent,)] = len(files)
        if known[agent]:
            added[slot, measures.FILES_KNOWN, (agent,)] = len(known[agent])
            # A file that is deleted and made again is one file.
            added[slot, measures.FILES_CREATED, (agent,)] = min(created[agent], len(known[agent]))
    return added
