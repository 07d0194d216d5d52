"""``stretto baseline``: list, record, set, forget, on real sessions in a real state folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.test_cli import DEMO, _own_world, answer, run  # noqa: F401  # the fixture applies by its name

ROW_KEYS = {
    "provenance", "admitted", "reason", "since", "project", "agents", "pattern", "task_types", "name",
    "session", "whole", "runs", "mean_seconds", "confidence", "newest", "age_seconds", "fanouts",
}  # fmt: skip
SEQUENTIAL = 5.329
UNNAMED = "its session follows no named pattern"
MIX = ["architecture", "prd", "test_strategy"]


@pytest.fixture
def both(capsys: pytest.CaptureFixture[str]) -> str:
    """Import a parallel execution and a sequential run of the same tasks; return the id of the latter."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"), str(DEMO / "sequential.jsonl"))
    ids = [row["id"] for row in answer(capsys, "sessions")["sessions"] if not row["fanouts"]]
    assert len(ids) == 1
    return str(ids[0])


def held_against(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the only parallel execution as shown."""
    (fanout,) = answer(capsys, "show", "e8cd2941")["fanouts"]
    return dict(fanout)


def test_the_list_tells_of_every_baseline_and_its_use(capsys: pytest.CaptureFixture[str], both: str) -> None:
    """A single run is refused with the reason, and listed after the baselines; so is its use of none."""
    assert both
    answer(capsys, "baseline", "set", "prd", "90min")
    catalog = answer(capsys, "baseline", "list")
    assert all(row.keys() == ROW_KEYS for row in catalog["baselines"])
    by_hand, refused = catalog["baselines"]
    assert (refused["provenance"], refused["task_types"], refused["runs"]) == ("measured", MIX, 1)
    assert (refused["admitted"], refused["since"], refused["fanouts"]) == (False, None, 0)
    assert refused["reason"] == UNNAMED
    assert (refused["mean_seconds"], refused["confidence"]["seconds"]) == (None, None)
    assert (by_hand["provenance"], by_hand["mean_seconds"], by_hand["fanouts"]) == ("set", 5_400, 0)
    assert by_hand["confidence"]["reason"] == "it is no mean of runs"
    (use,) = catalog["fanouts"]
    assert (use["task_types"], use["count"], use["baseline"]) == (MIX, 1, "work")
    assert (use["reason"], use["near_misses"]) == (UNNAMED, [])
    text = run(capsys, "baseline", "list")[1]
    assert "because" in text
    assert UNNAMED in text


def test_a_recorded_session_goes_before_the_measured_ones(
    capsys: pytest.CaptureFixture[str], both: str
) -> None:
    """A baseline is recorded under a name, survives a rebuild, and can be removed."""
    recorded = answer(capsys, "baseline", "record", both, "--name", "before")
    assert (recorded["name"], recorded["session"], recorded["runs"], recorded["replaced"]) == (
        "before",
        both,
        1,
        False,
    )
    assert recorded["task_types"] == [MIX]
    fanout = held_against(capsys)
    assert fanout["baseline"] == "recorded"
    assert fanout["sequential_seconds"] == pytest.approx(SEQUENTIAL, abs=0.001)
    rows = answer(capsys, "baseline", "list")
    assert [(row["provenance"], row["name"], row["fanouts"]) for row in rows["baselines"]] == [
        ("recorded", "before", 1),
        ("measured", None, 0),
    ]
    assert rows["fanouts"][0]["names"] == ["before"]
    answer(capsys, "rebuild")
    assert held_against(capsys)["baseline"] == "recorded"
    assert answer(capsys, "baseline", "record", both, "--name", "before")["replaced"] is True
    assert answer(capsys, "baseline", "forget", "before")["forgotten"] == "before"
    assert held_against(capsys)["baseline"] == "work"


def test_a_length_set_by_hand_is_a_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    """Hours set for the three types, 4 + 5 + 3, are compared with the run of seconds."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))
    for task_type, length in (("architecture", "4h"), ("prd", "5h"), ("test-strategy", "10800")):
        answer(capsys, "baseline", "set", task_type, length)
    fanout = held_against(capsys)
    assert (fanout["baseline"], fanout["sequential_seconds"]) == ("set", 12 * 3600)
    assert fanout["confidence"]["reason"] == "a length set by hand is no mean of runs"
    assert [row["fanouts"] for row in answer(capsys, "baseline", "list")["baselines"]] == [1, 1, 1]
    answer(capsys, "baseline", "forget", "Test Strategy")
    assert held_against(capsys)["baseline"] == "work"


def test_what_was_set_counts_beside_the_configured_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set duration replaces the configured hours of its type; the other two types keep 5 and 4 h."""
    monkeypatch.setenv("STRETTO_PRESET", "ap")
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))
    answer(capsys, "baseline", "set", "architecture", "1h")
    fanout = held_against(capsys)
    assert (fanout["baseline"], fanout["sequential_seconds"]) == ("configured", 10 * 3600)
    used = {
        (row["provenance"], *row["task_types"]): row["fanouts"]
        for row in answer(capsys, "baseline", "list")["baselines"]
    }
    assert used["set", "architecture"] == used["configured", "prd"] == 1
    assert used["configured", "architecture"] == used["configured", "epic"] == 0


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("4h", 14_400),
        ("1h30min", 5_400),
        ("90 min", 5_400),
        ("2d", 172_800),
        ("5m", 300),
    ],
)
def test_a_length_is_written_as_people_write_it(
    capsys: pytest.CaptureFixture[str], written: str, seconds: float
) -> None:
    """Seconds, or numbers with units."""
    assert answer(capsys, "baseline", "set", "prd", written) == {"task_type": "prd", "seconds": seconds}


@pytest.mark.parametrize(
    "written", ["", "0", "-3", "4 hours or so", "h", "1e9", "4x", "nan", "1e99h", "9999999h"]
)
def test_what_is_no_length_is_refused(capsys: pytest.CaptureFixture[str], written: str) -> None:
    """An invalid duration gives exit code 2, and nothing is stored."""
    code, _, err = run(capsys, "baseline", "set", "prd", "--", written)
    assert code == 2
    assert "duration" in err


def test_a_type_that_nobody_configured_is_taken_with_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip is likely, so the nearest name is offered; types of sources are not in the table either."""
    code, out, err = run(capsys, "baseline", "set", "archtecture", "4h")
    assert code == 0
    assert "archtecture" in out
    assert "did you mean 'architecture'?" in err


def test_a_whole_session_stands_for_any_mix(capsys: pytest.CaptureFixture[str], both: str) -> None:
    """A session recorded as a whole is a baseline for its types in any number."""
    recorded = answer(capsys, "baseline", "record", both, "--whole")
    assert (recorded["name"], recorded["whole"]) == (both, True)
    assert held_against(capsys)["baseline"] == "recorded"
    (row, _) = answer(capsys, "baseline", "list")["baselines"]
    assert (row["whole"], row["fanouts"]) == (True, 1)


def test_a_session_that_ran_nothing_alone_cannot_be_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    """A session without sequential tasks cannot be recorded, nor an unknown session."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))
    code, _, err = run(capsys, "baseline", "record", "last")
    assert code == 2
    assert "one after another" in err
    code, _, err = run(capsys, "baseline", "record", "last", "--whole")
    assert code == 2
    assert "ran alone" in err
    code, _, err = run(capsys, "baseline", "record", "nobody")
    assert code == 1
    assert "there is no session 'nobody'" in err


def test_names_and_task_types_are_not_confused(capsys: pytest.CaptureFixture[str], both: str) -> None:
    """A name that is a set type's, and a type that is a recorded name, are refused; so is an unknown one."""
    answer(capsys, "baseline", "set", "prd", "4h")
    assert run(capsys, "baseline", "record", both, "--name", "prd")[0] == 2
    answer(capsys, "baseline", "record", both, "--name", "epic")
    assert run(capsys, "baseline", "set", "epic", "4h")[0] == 2
    code, _, err = run(capsys, "baseline", "forget", "nothing")
    assert code == 2
    assert "known: epic, prd" in err


def test_without_any_baseline_the_list_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing store is reported as missing."""
    assert run(capsys, "baseline", "list")[0] == 3
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))
    assert "no baseline is known" in run(capsys, "baseline", "list")[1]
    assert answer(capsys, "baseline", "list")["baselines"] == []


def test_a_damaged_file_stops_what_rests_on_it_and_doctor_finds_it(
    capsys: pytest.CaptureFixture[str], both: str, tmp_path: Path
) -> None:
    """Exit code 3 with the file's name; figures against a forgotten baseline would be wrong."""
    assert both
    (tmp_path / "state" / "baselines.json").write_text("{torn", encoding="utf-8")
    for arguments in (("show", "last"), ("baseline", "list"), ("baseline", "set", "prd", "4h")):
        code, _, err = run(capsys, *arguments)
        assert code == 3
        assert "baselines.json" in err
    code, out, _ = run(capsys, "doctor", "--json")
    assert code == 1
    assert any(f["station"] == "baselines" for f in json.loads(out)["findings"])
