"""The table's row on recorded workflows: the predictor's ranges on whole executions that it has not seen."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from stretto.analysis.length_predictor import PredictorQuality, fit_predictor
from stretto.clock import SECOND
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import TaskRun
from tests.detectors.rows import CONFIDENCE, Row

RECORDINGS = "exec-wfinstances"
"""The folder of the recordings within that of the public data."""

SPLITS = 20
HELD_OUT = 0.3
"""Share of the executions that a split holds out."""


def measure_recordings(folder: Path) -> Iterator[Row]:
    """Yield the mean cover of the 80 % ranges over splits by whole executions."""
    tasks = read_instances(folder)
    covers = [cover for cover, _ in split_executions(tasks, SPLITS)]
    yield make_split_row("K", "WfInstances: ranges of 80 % cover executions held out", covers)


def make_split_row(answer: str, name: str, covers: Sequence[float]) -> Row:
    """Return the row of a mean over random splits, with the interval of Nadeau and Bengio (2003).

    Splits share executions and so are no independent cases: the variance of their mean does not shrink below
    the share held out, divided by the rest.
    """
    count, mean = len(covers), float(np.mean(covers))
    error = float(np.std(covers, ddof=1)) * math.sqrt(1 / count + HELD_OUT / (1 - HELD_OUT))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return Row(answer, name, mean, mean - half, mean + half, 0.78, 0.86, f"{count} splits")


def split_executions(tasks: Sequence[TaskRun], splits: int) -> Iterator[tuple[float, PredictorQuality]]:
    """Yield for each split the share of tasks within their ranges, and the quality that the fit claims."""
    sessions = sorted({run.session for run in tasks})
    for seed in range(splits):
        places = np.random.default_rng(seed).permutation(len(sessions))[: round(HELD_OUT * len(sessions))]
        held_out = {sessions[place] for place in places}
        predictor = fit_predictor(run for run in tasks if run.session not in held_out)
        new = [run for run in tasks if run.session in held_out]
        known = [
            (forecast, (run.length or 0) / SECOND)
            for forecast, run in zip(predictor.predict_lengths(new), new, strict=True)
            if forecast is not None
        ]
        cover = float(np.mean([each.low <= seconds <= each.high for each, seconds in known]))
        yield cover, predictor.quality


def read_instances(folder: Path) -> list[TaskRun]:
    """Return the tasks of every recorded execution."""
    paths = sorted([*folder.rglob("*.json"), *folder.rglob("*.json.gz")])
    return [run for path in paths for run in _read_instance(path)]


def _read_instance(path: Path) -> Iterator[TaskRun]:
    """Yield the tasks of an execution: its application is the pattern, the program the type."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    workflow = json.loads(text)["workflow"]
    sizes = {each["id"]: each.get("sizeInBytes", 0) for each in workflow["specification"].get("files", [])}
    inputs = {each["id"]: each.get("inputFiles", []) for each in workflow["specification"]["tasks"]}
    for task in workflow["execution"]["tasks"]:
        name = task.get("command", {}).get("program") or task["id"]
        name = re.sub(r"_(ID)?\d+$", "", re.split(r"[ (]", name)[0].split(":")[-1])
        if task["runtimeInSeconds"] > 0:
            size = sum(sizes.get(file, 0) for file in inputs.get(task["id"], []))
            yield TaskRun(
                path.name, task["id"], 0, round(task["runtimeInSeconds"] * SECOND), Outcome.SUCCESS, name,
                pattern=path.name.split("-")[0], covariates={"input_bytes": str(size)},
            )  # fmt: skip
