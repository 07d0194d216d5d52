"""The predictor on recorded workflows: ranges hold for whole executions that it has not seen."""

from __future__ import annotations

import pytest
from tests.corpus.test_ground_truth import INSTANCES
from tests.detectors.recorded_executions import make_split_row, read_instances, split_executions

from stretto.analysis.length_predictor import PredictionMethod

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.slow,
    pytest.mark.skipif(not INSTANCES.is_dir(), reason=f"the recordings are not here: {INSTANCES}"),
]


def test_ranges_cover_executions_that_were_not_seen() -> None:
    """Over splits by whole executions the 80 % ranges cover .78 to .86 of the tasks, within their error."""
    tasks = read_instances(INSTANCES)
    assert len(tasks) > 15_000
    covers = []
    for cover, quality in split_executions(tasks, 6):
        covers.append(cover)
        assert quality.median_error is not None
        assert quality.boosting_error is not None
        if quality.method is not PredictionMethod.BOOSTING:
            assert "14% are needed" in quality.reason
    row = make_split_row("K", "cover", covers)
    assert row.holds, row.to_row()
