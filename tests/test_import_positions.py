"""How far imported files were read: a row for each file."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from stretto.cli.import_positions import FILE, ImportPositions
from tests.bench.transcript_corpus import write_corpus

MEGABYTE = 1024 * 1024

MOST_BYTES = 130 * MEGABYTE
"""Resident memory of a first import, whatever the number of sessions."""


class Place(msgspec.Struct, frozen=True):
    """A position for these tests."""

    offset: int
    beginning: str | None = None


def test_positions_of_earlier_versions_are_taken_over_once(tmp_path: Path) -> None:
    """Their JSON file is read and deleted; an entry that cannot be read costs only itself."""
    old = tmp_path / "things.json"
    old.write_text(json.dumps({"/a": {"offset": 7, "beginning": "u"}, "/b": {"offset": 9}, "/c": "odd"}))
    for _ in range(2):
        with closing(ImportPositions(tmp_path, "things", Place)) as positions:
            assert positions.get("/a") == Place(7, "u")
            assert positions.list_files() == {"/a", "/b"}
            assert positions.list_with_beginning("u") == ["/a"]
            assert positions.list_unmarked() == []
        assert not old.exists()


def test_a_grown_file_stays_unmarked_until_it_was_compared(tmp_path: Path) -> None:
    """A kill between reading a file and comparing it with others leaves it for the next import."""
    with closing(ImportPositions(tmp_path, "things", Place)) as positions:
        positions.put("/a", Place(1), beginning="u", is_unmarked=True)
        positions.put("/a", Place(2), beginning="u")
    with closing(ImportPositions(tmp_path, "things", Place)) as positions:
        assert positions.list_unmarked() == [("/a", "u")]
        positions.mark("/a")
        assert positions.list_unmarked() == []
        assert positions.get("/a") == Place(2)


def test_a_damaged_table_is_begun_anew(tmp_path: Path) -> None:
    """Every file is then read again, which adds nothing; the import does not fail."""
    (tmp_path / FILE).write_bytes(b"no database " * 1_000)
    with closing(ImportPositions(tmp_path, "things", Place)) as positions:
        assert positions.get("/a") is None
        positions.put("/a", Place(1))
        assert positions.get("/a") == Place(1)


_MEASURED_IMPORT = """
import sys
from stretto.cli.main import main
code = main(["--state", sys.argv[1], "import", sys.argv[2]])
status = open("/proc/self/status").read()
print("peak", int(status.partition("VmHWM:")[2].split()[0]) * 1024)
sys.exit(code)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
@pytest.mark.parametrize("sessions", [1_000, pytest.param(15_000, marks=pytest.mark.slow)])
def test_the_memory_of_a_first_import_does_not_grow_with_sessions(tmp_path: Path, sessions: int) -> None:
    """At 1,000 as at 15,000 sessions, each with two agents, the process stays below 130 MB."""
    write_corpus(tmp_path / "projects", sessions, 8_000)
    imported = subprocess.run(
        [sys.executable, "-c", _MEASURED_IMPORT, str(tmp_path / "state"), str(tmp_path / "projects")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert imported.returncode == 0, imported.stderr
    assert f"of {sessions} session(s)" in imported.stdout
    assert int(imported.stdout.rpartition("peak ")[2]) <= MOST_BYTES
