"""Every exported ratio is worked out again by a recording rule, in a real Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from stretto import journal
from stretto.clock import MINUTE, read_wall_clock
from stretto.figures.baseline_admission import FEWEST_SESSIONS
from stretto.names import METRICS
from tests.scenes import (
    BEGIN,
    Drawing,
    conflict,
    delivery,
    one_by_one,
    orchestrated,
    paid,
    retried,
    sampled,
    selections,
    spender,
    straggler,
)
from tests.stack.running import ROOT, Running, require_servers, running, until

pytestmark = pytest.mark.stack

RATIOS = [metric.name for metric in METRICS.values() if metric.ingredients]
SCENES = (conflict, delivery, orchestrated, paid, retried, sampled, spender)
COHORT = 6
"""Sessions with a turn of parallel tasks: of fewer nothing is said about adoption."""


def rules() -> dict[str, str]:
    """Return the ratios' names → the recording rules that work them out again."""
    groups = yaml.safe_load((ROOT / "prometheus/rules/recording.yml").read_text())["groups"]
    names = [rule["record"] for group in groups for rule in group["rules"]]
    found = {}
    for ratio in RATIOS:
        end = f":{ratio.removesuffix('_ratio')}:ratio"
        (found[ratio],) = (name for name in names if name.endswith(end))
    return found


RULES = rules()


def draw_running_tasks() -> Drawing:
    """Draw a session whose parallel tasks run on, but for the first."""
    drawing = Drawing("running").opens().prompt(0).run("first", 1, 5)
    return drawing.run("second", 2).run("third", 3)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that has taken in scenes which between them have every ratio, as of some minutes ago."""
    require_servers()
    state = tmp_path_factory.mktemp("state")
    (state / "config.toml").write_text("[workflows.release]\nsequential_hours = 0.1\n")
    with running(state) as found:
        now = read_wall_clock()
        drawings = [draw() for draw in SCENES]
        drawings += [straggler(f"straggler-{number}") for number in range(COHORT)]
        # Contention and the verdict's better part need a measured baseline: enough runs one after another.
        drawings += [one_by_one(f"one-by-one-{number}") for number in range(FEWEST_SESSIONS)]
        drawings += [selections(), draw_running_tasks()]
        _tell(found.state / "journal", drawings, now)
        until("the first scrape of them", lambda: found.query("stretto_adoption_ratio"))
        yield found


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_ratio_is_worked_out_again(service: Running, ratio: str) -> None:
    """The rule's series are those of the gauge, and each value is the same within one per cent."""
    # Rules are evaluated a few seconds after the scrape that they read.
    until(f"{RULES[ratio]} to agree with {ratio}", lambda: _agreed(service, ratio))


def _tell(folder: Path, drawings: list[Drawing], now: int) -> None:
    shift = now - 20 * MINUTE - BEGIN
    events = [replace(event, time=event.time + shift) for drawing in drawings for event in drawing.events]
    path = journal.get_day_file(folder, now)
    # What is dated later than now, a day's judgement among it, would count once that time has come.
    journal.append_records(
        path, b"".join(journal.encode_event(event) for event in events if event.time < now)
    )


def _agreed(service: Running, ratio: str) -> bool:
    at = f"@ {time.time() - 10:.0f}"
    ours = {_key(row): float(row["value"][1]) for row in service.query(f"{ratio} {at}")}
    again = {_key(row): float(row["value"][1]) for row in service.query(f"{RULES[ratio]} {at}")}
    return bool(ours) and {key: again.get(key) for key in ours} == pytest.approx(ours, rel=0.01)


def _key(row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    dropped = {"__name__", "instance", "job"}
    return tuple(sorted((name, value) for name, value in row["metric"].items() if name not in dropped))
