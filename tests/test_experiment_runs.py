"""An experiment from its definition to its conclusion, with sessions that really ran in both arms."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

import stretto
from tests.test_api_journal_exporter import journalled
from tests.test_cli import _own_world, answer  # noqa: F401  # the fixture applies by its name


def test_live_runs_of_both_arms_lead_to_the_conclusion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each session takes the arm that it is assigned; arm B spends three times the tokens, and that is found.

    The arm reaches the store as the environment names it, and the runs count once the sessions are over.
    """
    folder = tmp_path / "state/journal"
    folder.mkdir(parents=True)
    random = Random(1)
    planned = answer(
        capsys, "experiment", "define", "cache", "--metric", "tokens", "--mde", "3", "--spread", "0.3"
    )
    assert 2 <= planned["units"] <= 6
    arms = []
    with journalled(folder) as written:
        for number in range(2 * planned["units"]):
            chosen = answer(capsys, "experiment", "assign", "cache", f"run-{number}")
            for name, value in chosen["environment"].items():
                monkeypatch.setenv(name, value)
            arms.append(arm := chosen["arm"])
            tokens = round((3_000 if arm == "B" else 1_000) * random.uniform(0.8, 1.2))
            with (
                stretto.session(),
                stretto.task("review", type="review", agent="critic"),
                stretto.model_call("large") as call,
            ):
                call.tokens(input=tokens, output=10)
        assert sorted(arms) == ["A"] * planned["units"] + ["B"] * planned["units"]
        written.events()
    (status,) = answer(capsys, "experiment", "status")["experiments"]
    assert status["evidence"]["n"] == 2 * planned["units"]
    assert status["verdict"] == "regression"
    concluded = answer(capsys, "experiment", "conclude", "cache")
    assert concluded["verdict"] == "regression"
    assert concluded["low"] <= 3 <= concluded["high"]
    assert answer(capsys, "experiment", "status")["experiments"] == []
    kinds = [
        json.loads(line)["type"] for line in (folder / "decisions.jsonl").read_text().split("\n") if line
    ]
    assert kinds[0] == "experiment"
    assert kinds[-1] == "conclusion"
    assert kinds.count("assignment") == len(arms)
