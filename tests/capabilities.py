"""Write docs/capabilities.json: what each channel of each agent gave of the recorded runs of real clients.

``python -m tests.capabilities`` needs the recordings beside the repository. ``docs/generate.py`` makes the
table in docs/sources.md of the file, and a test compares the file with the recordings.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from stretto.figures.fanouts import find_fanouts
from stretto.model.entities import Session
from stretto.model.event import Outcome
from tests.corpus.test_channels import CLIENTS, conclude, read_channels
from tests.fakes import ROOT
from tests.otlp_requests import only_session
from tests.test_claude_code_recordings import CHANNELS as CHANNELS_OF_CLAUDE_CODE

FILE = ROOT / "docs" / "capabilities.json"

SCRIPTED = CLIENTS.with_name("claude-code-scripted")
"""Runs of Claude Code 2.1.197 and 2.1.329 with the script of the others."""

CHANNELS = ("hooks", "otlp", "history")

TOLD = (Outcome.SUCCESS, Outcome.FAILURE, Outcome.CANCELLED)


def measure_recordings(scratch: Path) -> list[dict[str, Any]]:
    """Return a row for each recording and channel that reports it."""
    rows = []
    for run in ("fanout", "fanout-background"):
        for channel, read in CHANNELS_OF_CLAUDE_CODE.items():
            session = only_session(read(SCRIPTED / run), lost=False)
            rows.append({"agent": "claude-code", "run": run, "channel": channel, **describe_session(session)})
    for scenario in sorted(CLIENTS.glob("*/*/scenario.json")):
        agent, run = scenario.parent.parent.name, scenario.parent.name
        channels = read_channels(f"{agent}/{run}", scratch / agent / run)
        for channel in CHANNELS:
            if channel in channels:
                session = conclude(channels[channel])
                rows.append({"agent": agent, "run": run, "channel": channel, **describe_session(session)})
    return rows


def describe_session(session: Session) -> dict[str, Any]:
    """Return the figures of the session that a channel gave."""
    tokens = [call.tokens.output for call in session.model_calls if call.tokens.output is not None]
    return {
        "turns": len(session.turns),
        "tasks": len(session.tasks),
        "parallel": [len(fanout.tasks) for fanout in find_fanouts(session.tasks)],
        "calls": len(session.tool_calls),
        "outcomes": sum(call.outcome in TOLD for call in session.tool_calls),
        "output_tokens": sum(tokens) if tokens else None,
        "ended": session.end is not None,
    }


def main() -> int:
    """Write the file."""
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure_recordings(Path(scratch))
    text = ",\n ".join(json.dumps(row) for row in rows)
    FILE.write_text(f"[\n {text}\n]\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
