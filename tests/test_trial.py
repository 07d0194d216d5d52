"""The trial's frame: cases are found, a loss or a fault fails the run, and the short form tries less."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.trial.__main__ as trial
from tests.trial.case import REQUIRED, NotTriedError, Row, Scope


def given(monkeypatch: pytest.MonkeyPatch, **cases: trial.Run) -> None:
    """Replace the cases."""
    monkeypatch.setattr(trial, "find_cases", lambda: cases)
    monkeypatch.delenv(REQUIRED, raising=False)


def fine(scope: Scope) -> Iterator[Row]:
    """A case that loses nothing."""
    yield Row("fine", scope.count(300, 3), 0, "as it should be")


def lossy(_: Scope) -> Iterator[Row]:
    """A case that loses two of four."""
    yield Row("lossy", 4, 2)


def broken(_: Scope) -> Iterator[Row]:
    """A case that fails after its first row."""
    yield Row("before", 1, 0)
    raise ValueError("unforeseen")


def impossible(_: Scope) -> Iterator[Row]:
    """A case that this machine cannot try."""
    yield from ()
    raise NotTriedError("no such device")


def test_every_case_module_is_a_case() -> None:
    """A module named case_* in the folder is found, without an entry anywhere."""
    folder = Path(trial.__file__).parent
    assert set(trial.find_cases()) == {path.stem.removeprefix("case_") for path in folder.glob("case_*.py")}
    assert all(callable(run) for run in trial.find_cases().values())


def test_a_table_without_a_loss_ends_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing lost is exit code 0; each row has test, tried and lost; the short form tries less."""
    given(monkeypatch, fine=fine)
    assert trial.main([]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["fine", "300", "0", "as", "it", "should", "be"]
    assert trial.main(["--short", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["tried"] == 3


@pytest.mark.parametrize("case", [lossy, broken])
def test_a_loss_or_a_fault_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: trial.Run
) -> None:
    """Exit code 1 on any loss; a case that fails counts as one, and the cases after it are tried."""
    given(monkeypatch, bad=case, fine=fine)
    assert trial.main([]) == 1
    out = capsys.readouterr().out
    assert "fine" in out
    assert case is lossy or ("the case failed: ValueError: unforeseen" in out and "before" in out)


def test_a_run_that_may_leave_nothing_out_fails_on_a_case_not_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What this machine cannot try is shown with its reason; where all is required it is a loss."""
    given(monkeypatch, impossible=impossible)
    assert trial.main([]) == 0
    assert "not tried: no such device" in capsys.readouterr().out
    monkeypatch.setenv(REQUIRED, "1")
    assert trial.main([]) == 1


def test_only_chosen_cases_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``--only`` runs the named cases and no other."""
    given(monkeypatch, fine=fine, lossy=lossy)
    assert trial.main(["--only", "fine"]) == 0
    assert "lossy" not in capsys.readouterr().out
    assert "tests.trial" in sys.modules
