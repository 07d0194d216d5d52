"""Decoder: the common part of all formats of histories, from a record of a file to events.

A decoder gets the records of one file in their order. The few facts that later records need are kept in
``memory``, a table of JSON values: it is stored with the file's position, and the next read continues with
it. Decoders read no clock, and no file but the ``.git`` of the folder that a session works in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from stretto.hook.client import tests_and_written_files
from stretto.hook.client.client import WORKING
from stretto.hook.client.tests_and_written_files import read_new_file
from stretto.model.event import LATEST, Channel, Event, Kind, Outcome, Value, omit_none
from stretto.sources.counts_of_tests import read_counts_of_tests
from stretto.sources.histories.records import Record
from stretto.sources.working_folder import describe_folder

OPEN = 4096
"""Limit of a table of the memory: entries that wait for a later record."""

Memory = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The facts about a file that its path and its neighbours give."""

    name: str = ""
    """The file's name without suffixes."""
    folders: tuple[str, ...] = ()
    """The names of the folders above it, nearest first."""
    sidecar: Record = field(default_factory=dict)
    """The object in the ``.meta.json`` file beside it; empty if there is none."""


class HistoryDecoder:
    """Turns the records of one file into ``events``. A subclass exists for each format."""

    source: ClassVar[str]
    """The product, as in ``Event.source``."""

    def __init__(
        self,
        facts: FileFacts,
        memory: Memory,
        *,
        latest: int = LATEST,
        key: bytes = b"",
        test_commands: Sequence[str] = (),
    ) -> None:
        self.events: list[Event] = []
        self.facts = facts
        self.memory = memory
        self.latest = latest
        self.key = key
        self.test_commands = test_commands

    def decode(self, record: Record) -> str | None:
        """Add the events of a record; return the reason if it is unreadable."""
        raise NotImplementedError

    def check_time(self, time: int | None) -> int | str:
        """Return an instant (ns) of a record, or the reason why the record is unreadable."""
        if time is None:
            return "no time"
        return "time in the future" if time > self.latest else time

    def describe_folder(self, folder: object) -> dict[str, Value]:
        """Return the attributes of a session's start that its working folder gives."""
        return describe_folder(folder, self.key)

    def finish(self) -> None:
        """Add the events that the end of the file gives, as far as it is written."""

    def add(
        self,
        kind: Kind,
        session: str,
        time: int,
        *,
        id: str | None = None,
        parent: str | None = None,
        name: str | None = None,
        type: str | None = None,
        duration: int | None = None,
        outcome: Outcome | None = None,
        attributes: Mapping[str, Value] | None = None,
    ) -> None:
        """Add an event of this file's product."""
        self.events.append(
            Event(
                kind=kind,
                session=session,
                time=time,
                source=self.source,
                channel=Channel.TRANSCRIPT,
                id=id,
                parent=parent,
                name=name,
                type=type,
                duration=duration,
                outcome=outcome,
                attributes=attributes or {},
            )
        )

    def get_table(self, name: str) -> dict[str, Any]:
        """Return a table of the memory, new and empty at first."""
        table: dict[str, Any] = self.memory.setdefault(name, {})
        return table

    def remember(self, name: str, key: str, value: object) -> None:
        """Put a value last in a table of the memory; the oldest entry falls out of a full table."""
        table = self.get_table(name)
        table.pop(key, None)
        table[key] = value
        if len(table) > OPEN:
            del table[next(iter(table))]

    # Tool calls.

    def start_call(
        self,
        session: str,
        time: int,
        id: str,
        *,
        name: str | None,
        parent: str | None = None,
        order: Record | None = None,
        folder: object = None,
        attributes: Mapping[str, Value] | None = None,
    ) -> None:
        """Add the start of a tool call; remember its tool, its agent and the work that its input shows.

        ``order`` is the call's input, ``folder`` the working directory. Neither is kept.
        """
        work: dict[str, str | int] = {}
        if name in WORKING and order:
            facts = {
                "test_framework": tests_and_written_files.find_framework(name, order, self.test_commands),
                "wrote": tests_and_written_files.hash_written_paths(name, order, folder, self.key),
                "new_files": tests_and_written_files.count_new_files(name, order),
            }
            work = {field: value for field, value in facts.items() if value is not None}
        self.remember("calls", id, omit_none(tool=name, parent=parent) | work)
        self.add(Kind.TOOL_START, session, time, id=id, parent=parent, name=name, attributes=attributes)

    def end_call(
        self,
        session: str,
        time: int,
        id: str,
        *,
        outcome: Outcome | None,
        name: str | None = None,
        parent: str | None = None,
        duration: int | None = None,
        result: str = "",
        attributes: Mapping[str, Value] | None = None,
    ) -> None:
        """Add the end of a tool call. Test counts are read from ``result``, its text, which is not kept."""
        call = self.get_table("calls").pop(id, {})
        values: dict[str, Value] = dict(attributes or {})
        if "wrote" in call and outcome is Outcome.SUCCESS:
            values["wrote"] = call["wrote"]
            new_files = call.get("new_files", read_new_file(call.get("tool"), None, [result]))
            values |= omit_none(new_files=new_files)
        if "test_framework" in call and outcome is not Outcome.CANCELLED:
            values["test_framework"] = call["test_framework"]
            values |= read_counts_of_tests(result, call["test_framework"])
        self.add(
            Kind.TOOL_END,
            session,
            time,
            id=id,
            parent=parent or call.get("parent"),
            name=name or call.get("tool"),
            duration=duration,
            outcome=outcome,
            attributes=values,
        )

    def is_open_call(self, id: str) -> bool:
        """Return whether a call's start was added and its end was not."""
        return id in self.get_table("calls")
