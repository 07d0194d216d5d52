"""Which sequential runs are admitted as a measured baseline: identity, enough, narrow, consistent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.clock import DAY, HOUR, SECOND
from stretto.demo.recorded_sessions import parse_hook_payload
from stretto.figures.baseline_admission import (
    WINDOW,
    Admission,
    PastFanouts,
    PastRun,
    judge_admission,
    measure_interval_reach,
)
from stretto.figures.work_signature import (
    WorkIdentity,
    decode_workers,
    has_work_identity,
    list_signature_task_types,
)
from stretto.model.task_type import TaskType, TaskTypes
from stretto.sources.read_hook_recordings import read_recording
from stretto.summaries.session_json import build_session_document
from stretto.summaries.session_summary import summarise_session
from tests.fakes import ROOT, store

NOW = 200 * DAY
REVIEWS = (("critic", "review"), ("critic", "review"))


def runs(*seconds: float, first: int = NOW - DAY) -> list[PastRun]:
    """Return runs of two reviews with these lengths together, an hour apart, each of a session of its own."""
    return [
        PastRun(f"s{number}", first + number * HOUR, {"review": [round(length * SECOND / 2)] * 2})
        for number, length in enumerate(seconds)
    ]


def fanouts(count: int, work: float, *, width: int = 2, end: int = NOW - HOUR) -> PastFanouts:
    """Return so many executions of a day with this work in seconds each."""
    return PastFanouts(end, count, count * round(work * SECOND), count * width)


def judged(past_runs: list[PastRun], *past_fanouts: PastFanouts, now: int = NOW) -> Admission:
    """Return the admission as of now."""
    return judge_admission(past_runs, past_fanouts, now)


def test_three_runs_of_three_sessions_are_a_baseline() -> None:
    """The runs are its mean, the newest first, and it is admitted since the third run."""
    admission = judged(runs(100, 110, 90))
    assert (admission.reason, admission.since) == (None, NOW - DAY + 2 * HOUR)
    assert admission.measured is not None
    assert admission.measured.estimate({"review": 2}).mean == pytest.approx(100 * SECOND)
    assert admission.measured.newest == NOW - DAY + 2 * HOUR


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_runs_are_no_baseline(count: int) -> None:
    """The reason counts what there is and what is needed."""
    admission = judged(runs(*[100] * count))
    assert admission.reason == (
        f"{count} sequential run(s) of {count} session(s) in 90 days, 3 of 3 are needed"
    )
    assert (admission.measured, admission.since) == (None, None)


def test_three_runs_of_two_sessions_are_no_baseline() -> None:
    """A session that repeats itself is a single witness."""
    past = runs(100, 100, 100)
    twice = [*past[:2], PastRun("s0", past[2].end, past[2].lengths)]
    assert "3 sequential run(s) of 2 session(s)" in (judged(twice).reason or "")


def test_runs_older_than_90_days_do_not_count() -> None:
    """A baseline ends when its third newest run is too old, and says so since then."""
    past = runs(100, 100, 100)
    third = past[0].end
    admission = judged(past, now=third + WINDOW)
    assert "2 sequential run(s)" in (admission.reason or "")
    assert admission.since == third + WINDOW
    assert judged(past, now=third + WINDOW - 1).reason is None


def test_runs_that_scatter_widely_are_no_baseline() -> None:
    """Of 10, 100 and 400 s nobody knows the mean: it must be known to half of itself."""
    admission = judged(runs(10, 100, 400))
    assert "± 50% is needed" in (admission.reason or "")
    # Twenty runs that scatter by a factor say more than three.
    assert judged(runs(*[70, 140] * 10)).reason is None


def test_the_reach_is_that_of_students_t_on_logarithms() -> None:
    """Logs 0, 1 and 2 have the mean 1 and s = 1: e to the 1 ± 4.303 / √3, over the mean of 1, e and e²."""
    e = 2.718281828459045
    reach = 4.303 / 3**0.5
    wanted = (e ** (1 + reach) - e ** (1 - reach)) / 2 / ((1 + e + e * e) / 3)
    assert measure_interval_reach([1, e, e * e]) == pytest.approx(wanted)
    assert measure_interval_reach([7, 7, 7]) == 0
    assert measure_interval_reach([1e-300, 1e300]) == float("inf")


@pytest.mark.parametrize(
    ("work", "admitted"), [(79, False), (81, True), (100, True), (249, True), (251, False), (3_600, False)]
)
def test_a_baseline_must_be_possible(work: float, *, admitted: bool) -> None:
    """Work between 1 / 1.25 and 1.25 times the width 2 of the 100 s one after another."""
    admission = judged(runs(100, 100, 100), fanouts(3, work))
    assert (admission.reason is None) is admitted
    assert admitted or "side by side its tasks took" in (admission.reason or "")


def test_two_executions_contradict_nothing() -> None:
    """A single one may be an accident; from three on the pool decides."""
    assert judged(runs(100, 100, 100), fanouts(2, 3_600)).reason is None
    assert judged(runs(100, 100, 100), fanouts(3, 3_600)).reason is not None


def test_the_width_is_the_mean_of_the_pool() -> None:
    """Two executions of width 2 and one of width 5 have the width 3: 370 s of work are possible."""
    pool = [fanouts(2, 370), fanouts(1, 370, width=5, end=NOW - HOUR + 1)]
    assert judged(runs(100, 100, 100), *pool).reason is None
    assert judged(runs(100, 100, 100), fanouts(3, 370)).reason is not None


def test_an_admitted_key_stays_until_twice_the_tolerance() -> None:
    """Admitted at 100 s of work, it stays at 270 s (1.35 × 2), leaves at 310 s; anew 270 s is too much."""
    early = runs(100, 100, 100, first=NOW - 10 * DAY)
    first = fanouts(3, 100, end=NOW - 9 * DAY)
    assert judged(early, first, fanouts(300, 270)).reason is None
    assert judged(early, first, fanouts(300, 270)).since == NOW - 10 * DAY + 2 * HOUR
    assert judged(early, first, fanouts(300, 310)).reason is not None
    assert judged(runs(100, 100, 100), fanouts(300, 270, end=NOW - DAY)).reason is not None


def test_only_a_key_that_has_passed_is_kept() -> None:
    """Runs without executions are admitted, but 270 s of work are then judged as of a new key."""
    early = runs(100, 100, 100, first=NOW - 10 * DAY)
    assert judged(early).reason is None
    assert judged(early, fanouts(3, 270)).reason is not None


def test_no_slack_lets_measured_exceed_work() -> None:
    """A key that has passed at 100 s leaves at 79 s: measured would be 1.27 times the speedup by work."""
    early = runs(100, 100, 100, first=NOW - 10 * DAY)
    first = fanouts(3, 100, end=NOW - 9 * DAY)
    assert judged(early, first, fanouts(3_000, 79)).reason is not None
    assert judged(early, first, fanouts(3_000, 81)).reason is None


def test_a_refused_key_returns_within_the_tolerance_only() -> None:
    """Once beyond twice the tolerance, it must come back within the tolerance."""
    early = runs(100, 100, 100, first=NOW - 10 * DAY)
    out = fanouts(3, 400, end=NOW - 9 * DAY)
    back = fanouts(3, 140, end=NOW - 8 * DAY)
    assert judged(early, out, back).reason is not None
    assert judged(early, out, fanouts(30, 200, end=NOW - 8 * DAY)).reason is None


@given(st.lists(st.tuples(st.integers(0, 150 * DAY), st.integers(1, 9 * HOUR)), max_size=12), st.randoms())
def test_the_order_of_rows_changes_nothing(rows: list[tuple[int, int]], random: object) -> None:
    """The answer depends on the stored rows alone, and never knows a row of the future."""
    past = [PastRun(f"s{place}", end, {"review": [length]}) for place, (end, length) in enumerate(rows)]
    pool = [PastFanouts(end, 2, 2 * length, 4) for end, length in rows]
    shuffled = past.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' own Random
    now = 100 * DAY
    assert judge_admission(past, pool, now) == judge_admission(shuffled, reversed(pool), now)
    known = judge_admission([run for run in past if run.end <= now], [p for p in pool if p.end <= now], now)
    assert judge_admission(past, pool, now) == known


def test_equal_work_has_an_equal_signature_and_other_work_another() -> None:
    """Project, pattern, agents and types count, in any order of tasks; types come first in the text."""
    work = WorkIdentity("shop", "release", REVIEWS)
    assert list_signature_task_types(work.signature) == ["review", "review"]
    assert has_work_identity(work.signature)
    others = [
        WorkIdentity("kernel", "release", REVIEWS),
        WorkIdentity("shop", "release", REVIEWS, "5f1c"),
        WorkIdentity("shop", "audit", REVIEWS),
        WorkIdentity("shop", "release", REVIEWS[:1]),
        WorkIdentity("shop", "release", (("critic", "review"), ("lead", "review"))),
        WorkIdentity("shop", "release", (("critic", "review"), ("critic", "testing"))),
    ]
    assert len({work.signature, *(other.signature for other in others)}) == 7
    assert decode_workers(work.encode_workers()) == REVIEWS


@pytest.mark.parametrize(
    ("work", "word"),
    [
        (WorkIdentity("shop", None, REVIEWS), "pattern"),
        (WorkIdentity("shop", "none", REVIEWS), "pattern"),
        (WorkIdentity(None, "release", REVIEWS), "project"),
        (WorkIdentity("shop", "release", (("critic", "other"), ("critic", "review"))), "other"),
    ],
)
def test_a_missing_value_is_no_identity(work: WorkIdentity, word: str) -> None:
    """Work without a pattern, a project or a type has nothing in common with other such work."""
    assert word in (work.gap or "")
    assert not has_work_identity(work.signature)
    assert list_signature_task_types(work.signature) == sorted(task_type for _, task_type in work.workers)


def test_typo_fixes_are_no_baseline_of_an_audit(tmp_path: Path) -> None:
    """Reviews of seconds in another project, no pattern: the audit of an hour is compared with its work."""
    recording = read_recording(
        ROOT / "tests/recorded/faults/unnamed-pattern-baseline.jsonl", parse_hook_payload
    )
    types = TaskTypes((TaskType("review", ("review",)),))
    with store(tmp_path, types.classify) as opened:
        opened.take(recording.events)
        summary = summarise_session(opened.connection, "kernel-audit", types.classify, {})
        assert summary is not None
        (fanout,) = json.loads(json.dumps(build_session_document(summary)))["fanouts"]
    assert (fanout["baseline"], fanout["not_measured"]) == ("work", "its session follows no named pattern")
    assert fanout["speedup"] == pytest.approx(1.97, abs=0.005)
