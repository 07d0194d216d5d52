from __future__ import annotations

from pathlib import Path

from stretto.figures.scores.score_rules import Scoring
from stretto.figures.scores.session_kpis import build_kpis_document
from stretto.model.event import Kind, Outcome
from stretto.model.score_scales import Scale, Scales
from stretto.store import sum_queries
from stretto.store.contributions.registry import NOT_SCORED
from tests.fakes import store
from tests.scenes import Drawing, at, delivery, fork_join, one_by_one, straggler
from tests.scored import by_work, own


def test_the_sums_of_a_session_equal_those_of_a_window_with_it_alone(tmp_path: Path) -> None:
    """All that a session adds to the store is in its sums."""
    for drawing in (delivery(), straggler()):
        with store(tmp_path / drawing.session) as opened:
            opened.take(drawing.events)
            stored = sum_queries.read_sums(opened.connection, at(300), 3_600)
        own_cells = {m: {d: n for d, n in cells.items() if n} for m, cells in own(drawing).session.items()}
        assert {measure: cells for measure, cells in own_cells.items() if cells} == stored


def test_the_kpis_of_a_session_read_no_sums_of_windows_alone() -> None:
    """Sessions with waste, phases, messages and scores have the same KPIs without those contributions."""
    for drawing in (delivery(), straggler(), fork_join(), one_by_one()):
        all_sums, scored = own(drawing), own(drawing, without=NOT_SCORED)
        assert set(scored.session) < set(all_sums.session)
        of_phases = zip(all_sums.phases, scored.phases, strict=True)
        for whole, part in (
            (all_sums.session, scored.session),
            *((whole, part) for (_, whole), (_, part) in of_phases),
        ):
            kpis = build_kpis_document(whole, (), Scoring(), by_work)
            assert build_kpis_document(part, (), Scoring(), by_work) == kpis


def test_a_phase_has_the_tasks_that_name_it_or_began_in_it() -> None:
    """A task that names another phase belongs to that phase; a task without a name goes by its start."""
    drawing = Drawing().opens().phase("plan", 0, 20).phase("build", 20, 60)
    drawing.task("early", 5, 15, "review").task("late", 30, 40, "testing")
    told = {"phase": "build", "description": "audit"}
    drawing.stroke(Kind.TASK_START, 10, id="told", name="worker", attributes=told)
    drawing.stroke(Kind.TASK_END, 30, id="told", name="worker", outcome=Outcome.SUCCESS)
    plan, build = (dict(sums) for _, sums in own(drawing.ends(70)).phases)
    assert set(plan["tasks"]) == {("review", "worker", "success")}
    assert set(build["tasks"]) == {("testing", "worker", "success"), ("audit", "worker", "success")}


def test_phases_of_one_name_are_separated_by_time() -> None:
    """A phase that occurs twice has each time the tasks that began in it."""
    drawing = Drawing().opens()
    for number, start in enumerate((0, 50)):
        drawing.stroke(Kind.PHASE_START, start, id=f"p{number}", name="build")
        drawing.stroke(Kind.PHASE_END, start + 40, id=f"p{number}", name="build", outcome=Outcome.SUCCESS)
        told = {"phase": "build", "description": f"part {number}"}
        drawing.stroke(Kind.TASK_START, start + 10, id=f"t{number}", name="worker", attributes=told)
        drawing.stroke(Kind.TASK_END, start + 20, id=f"t{number}", name="worker", outcome=Outcome.SUCCESS)
    tasks = [list(sums["tasks"]) for _, sums in own(drawing.ends(99)).phases]
    assert tasks == [[("part 0", "worker", "success")], [("part 1", "worker", "success")]]


def test_a_phase_has_the_calls_and_messages_of_its_time_and_its_scores() -> None:
    """A call belongs to the phase of its task; a score of the session belongs to no phase."""
    drawing = Drawing().opens().phase("plan", 0, 20).phase("build", 20, None)
    drawing.call("c", 5, 6).call("d", 30, 31).message("m", 25, "worker")
    drawing.task("a", 10, 30, "review").call("e", 25, 26, tool="Read", parent="a")
    drawing.score("quality", 5, 40, of="phase", id="plan").score("quality", 9, 41)
    plan, build = (sums for _, sums in own(drawing.ends(70)).phases)
    assert plan["calls"] == {("Bash", "success"): 1, ("Read", "success"): 1, ("Agent", "success"): 1}
    assert build["calls"] == {("Bash", "success"): 1}
    assert (sum(plan["score_count"].values()), "score_count" in build) == (1, False)
    assert ("messages" in plan, sum(build["messages"].values())) == (False, 1)


def test_scores_use_the_configured_scales() -> None:
    """A score off its scale is counted apart, as in the store."""
    found = own(delivery(), Scales((Scale("quality", 0, 20),))).session
    assert sum(count for dims, count in found["score_count"].items() if dims[0] == "quality") == 2
