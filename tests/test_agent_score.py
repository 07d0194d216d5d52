from __future__ import annotations

import pytest

from stretto.figures.scores.agent_score import compute_agent_score
from stretto.model.event import Outcome
from tests.scenes import Drawing, delivery, fork_join, frame_drawing
from tests.scored import RULES, sums_of


def test_the_delivery_is_scored_as_on_paper() -> None:
    """Two of three delivered, which is the cap; quality and talk as in their own tests; no call failed."""
    found = compute_agent_score(sums_of(delivery()), "worker", RULES)
    values = {part.name: part.value for part in found.parts}
    assert values["delivery"] == pytest.approx(2 / 3)
    assert values["collaboration"] == pytest.approx(0.9)
    assert (values["errors"], values["response"]) == (1, 1)
    quality = next(part for part in found.parts if part.name == "quality")
    assert (quality.low, quality.high) == pytest.approx((0.740741, 0.851852), abs=1e-5)
    # The range of the weighted mean would be 0.815 to 0.843.
    assert (found.value, found.low, found.high) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


def test_what_nobody_could_report_has_no_weight() -> None:
    """No message and no tool call: delivery 0.30, response 0.10 and quality from 0.286 to 1 of 0.25."""
    found = compute_agent_score(sums_of(fork_join()), "worker", RULES)
    assert [part.name for part in found.parts if not part.applies] == ["collaboration", "errors"]
    assert found.low == pytest.approx((0.4 + 0.25 * 2 / 7) / 0.65)
    assert found.high == 1
    assert found.value is None


def test_a_lost_task_delivered_nothing() -> None:
    """Whatever else it may have been worth."""
    lost = Drawing().opens().run("a", 1).ends(9)
    found = compute_agent_score(sums_of(lost), "worker", RULES)
    assert (found.low, found.high, found.parts[0].value) == (0, 0, 0)


def test_errors_are_those_of_its_tool_calls() -> None:
    """One of four calls of its tasks failed; the main agent's call and a cancelled task do not count."""
    drawing = frame_drawing(Drawing(), 50).task("a", 0, 10, "review")
    drawing.task("b", 20, 30, "review", outcome=Outcome.CANCELLED)
    for number in range(4):
        outcome = Outcome.FAILURE if number == 0 else Outcome.SUCCESS
        drawing.call(f"c{number}", 1 + number, 2 + number, parent="a", outcome=outcome)
    drawing.call("main", 40, 41, outcome=Outcome.FAILURE)
    score = compute_agent_score(sums_of(drawing), "worker", RULES)
    values = {p.name: p.value for p in score.parts}
    assert (values["delivery"], values["errors"]) == (0.5, 0.75)
    # The count is that of its tasks, though four calls are known.
    assert score.count == 2


def test_an_agent_is_as_fast_as_the_tasks_of_its_types() -> None:
    """Three reviews of 60 s by one agent, one of 120 s by another: 1 and 0.5; a slow type is no fault."""
    drawing = frame_drawing(Drawing(), 900)
    for number in range(3):
        drawing.task(f"r{number}", 100 * number, 100 * number + 60, "review", agent="quick")
    drawing.task("r3", 300, 420, "review", agent="slow").task("p", 500, 800, "plan", agent="planner")
    sums = sums_of(drawing)
    response = {
        agent: next(p.value for p in compute_agent_score(sums, agent, RULES).parts if p.name == "response")
        for agent in ("quick", "slow", "planner")
    }
    assert response == pytest.approx({"quick": 1, "slow": 0.5, "planner": 1}, rel=0.03)


def test_an_agent_whose_every_task_fails_scores_nothing() -> None:
    """Praise for its answers and quick failures do not raise it: nothing was delivered."""
    drawing = frame_drawing(Drawing(), 50)
    for name, start in (("a", 0), ("b", 20)):
        drawing.task(name, start, start + 1, "review", outcome=Outcome.FAILURE)
        drawing.score("quality", 9, start + 2, of="task", id=name)
    found = compute_agent_score(sums_of(drawing), "worker", RULES)
    assert found.value == 0
