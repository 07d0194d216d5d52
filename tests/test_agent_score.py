from __future__ import annotations

from dataclasses import replace

import pytest

from stretto.figures.scores.agent_score import compute_agent_score
from stretto.model.event import Outcome
from tests.scenes import Drawing, delivery, fork_join, frame_drawing
from tests.scored import RULES, sums_of


def test_the_delivery_is_scored_as_on_paper() -> None:
    """Two of three delivered, median 30 s; quality and talk as in their own tests; capped at two thirds."""
    found = compute_agent_score(sums_of(delivery()), "worker", RULES)
    values = {part.name: part.value for part in found.parts}
    assert values["delivery"] == pytest.approx(2 / 3)
    assert values["quality"] == pytest.approx(0.8333333)
    assert values["collaboration"] == pytest.approx(0.74)
    assert values["errors"] == pytest.approx(2 / 3)
    assert values["response"] == pytest.approx(1 / 1.1, rel=0.002)
    # The weighted mean would be 0.747.
    assert found.value == pytest.approx(2 / 3)
    assert found.coverage == pytest.approx(1)


def test_without_quality_and_messages_the_rest_counts() -> None:
    """Delivery, errors and response have 0.55 of the weight: enough, and the coverage shows it."""
    found = compute_agent_score(sums_of(fork_join()), "worker", RULES)
    assert found.coverage == pytest.approx(0.55)
    assert found.value == pytest.approx((0.45 + 0.1 / 1.1) / 0.55, rel=0.002)


def test_an_agent_of_which_too_little_is_known_is_withheld() -> None:
    """Of a task whose end was never seen only that it delivered nothing."""
    lost = Drawing().opens().run("a", 1).ends(9)
    found = compute_agent_score(sums_of(lost), "worker", RULES)
    assert found.value is None
    assert found.coverage == pytest.approx(0.3)
    assert found.parts[0].value == 0


def test_a_cancelled_task_is_not_delivered_and_no_error() -> None:
    """Delivery is 1 of 2; the single task with a known outcome did not fail."""
    drawing = frame_drawing(Drawing(), 50).task("a", 0, 10, "review")
    drawing.task("b", 20, 30, "review", outcome=Outcome.CANCELLED)
    values = {p.name: p.value for p in compute_agent_score(sums_of(drawing), "worker", RULES).parts}
    assert (values["delivery"], values["errors"]) == (0.5, 1)


def test_the_faster_the_better_by_tau() -> None:
    """At τ the response is 0.5."""
    rules = replace(RULES, response_seconds=30)
    values = {p.name: p.value for p in compute_agent_score(sums_of(fork_join()), "worker", rules).parts}
    assert values["response"] == pytest.approx(0.5, rel=0.02)


def test_an_agent_whose_every_task_fails_scores_nothing() -> None:
    """Praise for its answers and quick failures do not raise it: nothing was delivered."""
    drawing = frame_drawing(Drawing(), 50)
    for name, start in (("a", 0), ("b", 20)):
        drawing.task(name, start, start + 1, "review", outcome=Outcome.FAILURE)
        drawing.score("quality", 9, start + 2, of="task", id=name)
    found = compute_agent_score(sums_of(drawing), "worker", RULES)
    assert found.value == 0
