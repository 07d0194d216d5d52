"""The price of a second saved, from scenes whose tokens and dollars are counted on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stretto.clock import SECOND
from stretto.figures.baselines import Baseline, choose_baseline
from stretto.figures.fanouts import find_fanouts, find_sequential_runs
from stretto.figures.figure import Figure
from stretto.figures.speedup_cost import compute_price_figures
from stretto.figures.sum_reading import Sums
from stretto.model.conclude import conclude_session
from stretto.model.event import Kind
from stretto.model.model_call_cost import Cost, Origin, Price, get_reported_cost
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.speedup_costs import add_up_speedup_costs
from stretto.store.contributions.tasks import add_up_tasks
from tests.scenes import Drawing, by_description, fold_scene, frame_drawing, paid, straggler
from tests.test_window_figures import measured


def settling(drawing: Drawing, price: Price = get_reported_cost) -> SessionContext:
    """Return the scene's session as it is settled."""
    facts = fold_scene(drawing.events)
    session = conclude_session(facts, lost=False, classify=by_description)
    return SessionContext(
        facts,
        session,
        find_fanouts(session.tasks),
        find_sequential_runs(session.tasks),
        closed=True,
        lost=False,
        classify=by_description,
        price=price,
    )


def sums_of(*drawings: Drawing, price: Price = get_reported_cost) -> Sums:
    """Return the sums of tasks and prices of some scenes."""
    found: dict[str, dict[tuple[str | int, ...], int]] = {}
    for drawing in drawings:
        held = settling(drawing, price)
        for added in (add_up_tasks(held.session, held.fanouts), add_up_speedup_costs(held)):
            for (_, measure, dims), value in added.items():
                cells = found.setdefault(measure, {})
                cells[dims] = cells.get(dims, 0) + value
    return found


def by_work(pattern: str, signature: str) -> Baseline:
    """Know no baseline but the work itself."""
    return choose_baseline(pattern, signature, None, {})


def named(figures: list[Figure]) -> dict[str, Figure]:
    """Return figures by name without the prefix."""
    return {figure.name.removeprefix("stretto_"): figure for figure in figures}


def test_a_second_saved_has_its_price() -> None:
    """600 tokens and 2 dollars for the 40 s that the straggler saves against its measured twin."""
    found = named(list(compute_price_figures("1h", sums_of(paid()), measured)))
    assert found["parallel_tokens"].value == 600
    assert found["parallel_cost_usd"].value == pytest.approx(2)
    assert found["saved_second_tokens"].value == pytest.approx(600 / 40)
    assert found["saved_second_cost_usd"].value == pytest.approx(2 / 40)
    assert all(figure.coverage == 1 for figure in found.values())


def test_only_executions_that_are_known_whole_count() -> None:
    """Only the first of two reports tokens: the price is its price, and the coverage is a half."""
    found = named(list(compute_price_figures("1h", sums_of(paid(), straggler("dumb")), measured)))
    assert (found["parallel_tokens"].value, found["parallel_tokens"].coverage) == (600, 0.5)
    assert found["saved_second_tokens"].value == pytest.approx(15)
    silent = paid("silent")
    silent.events = [e for e in silent.events if not (e.kind is Kind.MODEL_CALL and e.parent == "silent-c")]
    found = named(list(compute_price_figures("1h", sums_of(silent), measured)))
    assert found["parallel_tokens"].value is None
    assert found["parallel_tokens"].reason == "no parallel execution reported the tokens of every task"


def test_prices_of_different_baselines_are_never_mixed() -> None:
    """The price covers the best provenance only; the tokens of all are still reported."""
    other = paid("other", command="plan")
    found = named(list(compute_price_figures("1h", sums_of(paid(), other), measured)))
    assert found["parallel_tokens"].value == 1200
    assert (found["saved_second_tokens"].value, found["saved_second_tokens"].coverage) == (15, 0.5)


def test_where_nothing_was_saved_a_second_has_no_price() -> None:
    """The parallel run was slower: there is no saved second to divide by."""
    slow = Baseline(measured("release", "architecture,prd,test_strategy").provenance, {
        "architecture": 1.0 * SECOND, "prd": 1.0 * SECOND, "test_strategy": 1.0 * SECOND
    })  # fmt: skip
    found = named(list(compute_price_figures("1h", sums_of(paid()), lambda _p, _s: slow)))
    assert found["parallel_tokens"].value == 600
    assert (found["saved_second_tokens"].value, found["saved_second_tokens"].reason) == (
        None,
        "no time was saved",
    )


def test_a_price_may_come_from_elsewhere() -> None:
    """Without a reported cost it is unknown; a price list gives it call by call."""
    free = paid(cost=None)
    found = named(list(compute_price_figures("1h", sums_of(free), by_work)))
    assert found["parallel_tokens"].value == 600
    assert found["parallel_cost_usd"].value is None
    listed = sums_of(free, price=lambda call: Cost((call.tokens.input or 0) * 1_000, Origin.LIST))
    assert named(list(compute_price_figures("1h", listed, by_work)))[
        "parallel_cost_usd"
    ].value == pytest.approx(560e-6)
    part = sums_of(free, price=lambda call: None if call.tokens.input == 40 else Cost(1, Origin.LIST))
    assert named(list(compute_price_figures("1h", part, by_work)))["parallel_cost_usd"].value is None


def test_a_running_session_has_no_price_yet() -> None:
    """All its calls are in only when it is over."""
    drawing = paid()
    drawing.events = [event for event in drawing.events if event.kind is not Kind.SESSION_END]
    assert add_up_speedup_costs(settling(drawing)) == {}


def test_calls_belong_to_the_run_in_which_they_fell() -> None:
    """A resumed agent: the use of its first run does not count in its second fan-out."""
    drawing = Drawing("twice")
    for start in (0, 100):
        for name in "ab":
            drawing.order(f"call-{name}{start}", start, "review").run(name, start, start + 10)
            drawing.answer(f"call-{name}{start}", start + 10, name)
            drawing.stroke(
                Kind.MODEL_CALL, start + 1, id=f"m-{name}{start}", parent=name,
                attributes={"input_tokens": 5 if start == 0 else 70},
            )  # fmt: skip
    held = settling(frame_drawing(drawing, 200))
    assert len(held.fanouts) == 2
    added = add_up_speedup_costs(held)
    assert (
        sum(value for (_, measure, _), value in added.items() if measure == "token_count") == 2 * 5 + 2 * 70
    )
    first = replace(held, fanouts=held.fanouts[:1])
    (tokens,) = (v for (_, m, _), v in add_up_speedup_costs(first).items() if m == "token_count")
    assert tokens == 10


def test_nothing_in_parallel_has_a_reason() -> None:
    """An empty window withholds its prices with that reason."""
    found = list(compute_price_figures("1h", {}, by_work))
    assert {figure.value for figure in found} == {None}
    assert {figure.reason for figure in found} == {"nothing ran in parallel"}
