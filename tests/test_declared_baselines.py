"""The file of declared baselines: kept whole, refused when damaged, followed when it changes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from stretto.figures.sequential_baseline_choice import (
    NOTHING_DECLARED,
    DeclaredBaselines,
    DeclaredLength,
    RecordedBaseline,
)
from stretto.store.declared_baseline_file import (
    FILE,
    BaselineFileError,
    DeclaredBaselineReader,
    drop_declared_baseline,
    load_declared_baselines,
    save_declared_baselines,
    with_recorded_baseline,
    with_set_length,
)

PIN = RecordedBaseline("pin", "s1", "release", ({"review": [10, 20], "testing": [5]},), newest=7, at=9)
WHOLE = RecordedBaseline("whole", "s2", "none", ({"review": [1]},), newest=1, at=2, whole=True)
BOTH = DeclaredBaselines((PIN, WHOLE), {"prd": DeclaredLength(3.5, 4)})


def test_saved_baselines_are_loaded_unchanged(tmp_path: Path) -> None:
    """Every field is kept, only the owner can read the file, and no other file is left."""
    folder = tmp_path / "state"
    assert load_declared_baselines(folder) == NOTHING_DECLARED
    save_declared_baselines(folder, BOTH)
    assert load_declared_baselines(folder) == BOTH
    assert [path.name for path in folder.iterdir()] == [FILE]
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    save_declared_baselines(folder, NOTHING_DECLARED)
    assert load_declared_baselines(folder) == NOTHING_DECLARED


def test_declarations_are_added_and_removed() -> None:
    """A declaration replaces that of the same name; removing an unknown name changes nothing."""
    declared = with_set_length(with_recorded_baseline(NOTHING_DECLARED, PIN), "prd", DeclaredLength(1, 1))
    again = with_recorded_baseline(declared, RecordedBaseline("pin", "s9", "release", PIN.runs, 8, 10))
    assert [found.session for found in again.recorded] == ["s9"]
    assert with_set_length(declared, "prd", DeclaredLength(2, 2)).set["prd"].length == 2
    assert drop_declared_baseline(declared, "pin") == DeclaredBaselines((), {"prd": DeclaredLength(1, 1)})
    assert drop_declared_baseline(declared, "prd") == DeclaredBaselines((PIN,), {})
    assert drop_declared_baseline(declared, "nothing") == declared


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{torn", "malformed"),
        ("[]", "object"),
        ('{"version": 2}', "version 2"),
        ('{"version": 1, "sets": {}}', "unknown field"),
        ('{"version": 1, "set": {"prd": {"nanoseconds": 0, "at": 1}}}', "not above 0"),
        (
            '{"version":1,"recorded":[{"name":"a","session":"s","pattern":"p","runs":[],"newest":1,"at":1}]}',
            "missing or not above 0",
        ),
    ],
)
def test_a_damaged_file_is_refused_with_its_fault(tmp_path: Path, text: str, cause: str) -> None:
    """The error says where, why and how to go on. Read as empty, the file would be overwritten."""
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(BaselineFileError) as raised:
        load_declared_baselines(tmp_path)
    assert str(tmp_path / FILE) in raised.value.to_line()
    assert cause in raised.value.to_line()
    assert "move it away" in raised.value.hint


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A file in the place of the folder gives an error that names it, and no half-written file."""
    (tmp_path / "state").write_text("in the way", encoding="utf-8")
    with pytest.raises(BaselineFileError, match="cannot be kept"):
        save_declared_baselines(tmp_path / "state", BOTH)


def test_a_follower_sees_each_change_and_survives_damage(tmp_path: Path) -> None:
    """A service reads the changes of other processes; while the file is damaged, the last ones stay."""
    followed = DeclaredBaselineReader(tmp_path)
    assert followed() == NOTHING_DECLARED
    save_declared_baselines(tmp_path, BOTH)
    assert followed() == BOTH
    assert followed() is followed()
    (tmp_path / FILE).write_text("{torn", encoding="utf-8")
    assert followed() == BOTH
    assert followed.problem is not None
    assert FILE in followed.problem
    save_declared_baselines(tmp_path, NOTHING_DECLARED)
    assert followed() == NOTHING_DECLARED
    assert followed.problem is None
    (tmp_path / FILE).unlink()
    assert followed() == NOTHING_DECLARED


def test_the_file_can_be_read_by_people(tmp_path: Path) -> None:
    """The file is indented JSON with its version."""
    save_declared_baselines(tmp_path, BOTH)
    text = (tmp_path / FILE).read_text(encoding="utf-8")
    assert text.endswith(os.linesep if os.linesep == "\n" else "\n")
    assert json.loads(text)["version"] == 1
    assert text.count("\n") > 10
