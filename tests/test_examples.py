"""The examples do as their descriptions promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run_example(name: str, state: Path, *arguments: str) -> str:
    """Return what an example prints; its sessions go to a folder of the test."""
    variables = {**os.environ, "STRETTO_STATE": str(state)}
    for name_of_session in ("CLAUDE_CODE_SESSION_ID", "TRACEPARENT", "STRETTO_DISABLED"):
        variables.pop(name_of_session, None)
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    run = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_cached_orchestrator_reuses_its_plans(tmp_path: Path) -> None:
    """Four plans are made, four answered, then one is stale because its tool has gone."""
    printed = run_example("cached_orchestrator.py", tmp_path, "--pace", "0.05")
    assert "plans: 7 from the cache, 5 made, 1 stale ones refused" in printed
    assert printed.splitlines()[2].endswith("by lint, lint, reading, spelling")
    journal = "".join(path.read_text() for path in (tmp_path / "journal").glob("*.jsonl"))
    assert '"cache.report"' in journal
    printed = run_example("cached_orchestrator.py", tmp_path, "--pace", "0.05", "--no-cache")
    assert "plans: 0 from the cache, 0 made" in printed


@pytest.mark.slow
def test_the_experiment_finds_what_the_cache_brings(tmp_path: Path) -> None:
    """Both arms get their runs, and the verdict is that the cached one is faster, with its interval."""
    printed = run_example("experiment.py", tmp_path)
    assert "7 runs without the cache, 7 with it" in printed
    assert re.search(
        r"cached-plans: improvement; .* 0\.\d\d \[0\.\d\d, 0\.\d\d\]; improvement, final", printed
    )
