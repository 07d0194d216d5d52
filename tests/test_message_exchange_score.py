from __future__ import annotations

from dataclasses import replace

import pytest

from stretto.figures.scores.message_exchange_score import compute_collaboration_score, list_receivers
from stretto.figures.sums_by_dimension import Sums
from stretto.model.event import Outcome
from tests.scenes import Drawing, delivery, fork_join
from tests.scored import RULES, sums_of


def parts(sums: Sums, agent: str | None = None) -> dict[str, float | None]:
    """Return each part's value."""
    return {part.name: part.value for part in compute_collaboration_score(sums, RULES, agent).parts}


def talk(count: int, *, answered: float | None = 30, outcome: Outcome | None = Outcome.SUCCESS) -> Drawing:
    """Draw a session with so many messages to an agent."""
    drawing = Drawing("talk").opens()
    for number in range(count):
        drawing.message(f"m{number}", number, "worker", answered=answered, outcome=outcome)
    return drawing.ends(100)


def test_the_delivery_is_scored_as_on_paper() -> None:
    """Five messages, answered within a minute, all successful: 0.5·0.8 + 0.5·1; balance has no weight."""
    sums = sums_of(delivery())
    assert parts(sums) == pytest.approx({"balance": 0.5, "response": 0.8, "success": 1})
    assert compute_collaboration_score(sums, RULES).value == pytest.approx(0.9)


@pytest.mark.parametrize(("count", "balance"), [(1, 0.1), (5, 0.5), (10, 1), (20, 0.5), (40, 0.25)])
def test_too_few_and_too_many_messages_are_out_of_balance(count: int, balance: float) -> None:
    """The target is a full score; half and twice of it are the same."""
    assert parts(sums_of(talk(count)))["balance"] == pytest.approx(balance)


def test_messages_are_counted_a_session_that_has_any() -> None:
    """Two sessions with ten messages each are in balance; a session without messages does not count."""
    sums = sums_of(talk(10), talk(10), fork_join())
    assert parts(sums)["balance"] == pytest.approx(1)


def test_a_slow_answer_is_worth_nothing_and_never_less() -> None:
    """At the limit and beyond it the response is 0, which is known."""
    assert parts(sums_of(talk(2, answered=300)))["response"] == 0
    assert parts(sums_of(talk(2, answered=900)))["response"] == 0


def test_an_agent_is_compared_with_its_share_of_messages() -> None:
    """Two agents with five messages each are in balance; failures count for their own agent."""
    drawing = Drawing().opens()
    for number in range(5):
        drawing.message(f"a{number}", number, "architect", outcome=Outcome.SUCCESS)
        drawing.message(f"b{number}", number, "builder", outcome=Outcome.FAILURE)
    sums = sums_of(drawing.ends(50))
    assert list_receivers(sums) == ["architect", "builder"]
    assert parts(sums, "architect") == pytest.approx({"balance": 1, "response": None, "success": 1})
    assert parts(sums, "builder") == pytest.approx({"balance": 1, "response": None, "success": 0})
    assert parts(sums) == pytest.approx({"balance": 1, "response": None, "success": 0.5})


def test_what_nobody_reported_of_messages_does_not_count() -> None:
    """Without answer times and outcomes nothing with a weight is left; a configured balance counts."""
    sums = sums_of(talk(10, answered=None, outcome=None))
    found = compute_collaboration_score(sums, RULES)
    assert (found.value, found.low) == (None, None)
    weights = {**RULES.weights, "collaboration": {"balance": 0.4, "response": 0.3, "success": 0.3}}
    configured = compute_collaboration_score(sums, replace(RULES, weights=weights))
    # Somebody could have reported how the messages ended.
    assert (configured.low, configured.high) == pytest.approx((0.4 / 0.7, 1))
    assert [part.name for part in configured.parts if not part.applies] == ["response"]


def test_without_messages_there_is_no_score() -> None:
    """Absent is not 0."""
    assert compute_collaboration_score(sums_of(fork_join()), RULES).value is None
    assert list_receivers(sums_of(fork_join())) == []
