"""The table of what each channel gives is that of the recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.capabilities import FILE, measure_recordings
from tests.corpus.test_channels import CLIENTS

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CLIENTS.is_dir(), reason=f"the recordings are not here: {CLIENTS}"),
]


def test_the_table_is_that_of_the_recordings(tmp_path: Path) -> None:
    """No cell is written by hand: after a change run python -m tests.capabilities and make docs."""
    assert json.loads(FILE.read_text("utf-8")) == measure_recordings(tmp_path)
