"""A store with its journal, which is asked as the service and the commands ask theirs.

Analyses are asked by the entry point of their process, operations by their runner over the same entry point.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stretto.config.loading import load_config
from stretto.findings.analysis_run import AnalysisReply, AnalysisRequest, answer_request
from stretto.findings.finding_changes import list_finding_changes
from stretto.model.decisions import Decision
from stretto.operations.operation_runner import OperationRunner
from stretto.service.operation_sources_of_a_store import make_store_sources
from stretto.store.decision_rows import append_decisions
from stretto.store.finding_history_and_last_answers import append_finding_changes
from tests.detectors.run_events import draw_sessions_as_events
from tests.fakes import Store, store
from tests.operated import ask_here
from tests.run_makers import GeneratedRuns


def ask_analyses(folder: Path, instant: int, *names: str) -> list[AnalysisReply]:
    """Return the replies of analyses about the store of a folder at an instant (ns). Raises RuntimeError."""
    replies = answer_request(AnalysisRequest(str(folder / "stretto.db"), instant, names))
    for reply in replies:
        if reply.error is not None:
            raise RuntimeError(f"{reply.name}: {reply.error}")
    return replies


@dataclass(frozen=True, slots=True)
class JournaledStore:
    """A store that takes in sessions and decisions by its journal, and answers about them."""

    folder: Path
    opened: Store

    def take(self, made: GeneratedRuns, file: str = "sessions.jsonl") -> None:
        """Take in the events of sessions."""
        self.opened.take(draw_sessions_as_events(made.sessions, made.tasks), file=file)

    def decide(self, *decisions: Decision) -> None:
        """Take in decisions."""
        append_decisions(self.opened.folder, decisions)
        self.opened.take()

    def ask_analysis(self, name: str, instant: int) -> AnalysisReply:
        """Return the reply of an analysis at an instant (ns). Raises RuntimeError."""
        (reply,) = ask_analyses(self.folder, instant, name)
        return reply

    def keep_findings(self, reply: AnalysisReply, instant: int) -> None:
        """Keep the findings of a reply in the history, which decisions refer to."""
        changes = list_finding_changes(reply.name, reply.findings, (), instant)
        append_finding_changes(self.opened.folder, changes)
        self.opened.take()

    def run_operation(self, name: str, workflow: str, instant: int, **options: Any) -> dict[str, Any]:
        """Return the result of an operation about a workflow at an instant (ns). Raises RuntimeError."""
        config = load_config({}, self.folder, state=str(self.folder))
        sources = replace(make_store_sources(config, lambda: instant), ask=ask_here)
        envelope = OperationRunner(sources).run_operation(name, workflow, options)
        if "result" not in envelope:
            raise RuntimeError(f"{name}: {envelope['error']}")
        result: dict[str, Any] = envelope["result"]
        return result


@contextmanager
def open_journaled_store(*made: GeneratedRuns) -> Iterator[JournaledStore]:
    """Open a store of its own that has taken in the events of sessions."""
    with TemporaryDirectory() as name, store(Path(name)) as opened:
        journaled = JournaledStore(Path(name), opened)
        for number, runs in enumerate(made):
            journaled.take(runs, f"sessions-{number}.jsonl")
        yield journaled


def find_last_end(made: GeneratedRuns) -> int:
    """Return when (ns) the last session is over."""
    return max(run.end for run in made.sessions)
