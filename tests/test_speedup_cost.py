"""The price of a second saved, from scenes whose tokens and dollars are counted on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stretto.figures.fanouts import find_fanouts, find_sequential_runs
from stretto.figures.figure import Figure
from stretto.figures.sequential_baseline_choice import Provenance
from stretto.figures.speedup_cost import compute_speedup_and_cost_by_pattern, compute_speedup_price_figures
from stretto.figures.sums_by_dimension import Sums
from stretto.figures.window_gain_verdict import BY_WORK, HeadlineRule, build_verdict
from stretto.model.call_cost_and_usage_types import Cost, CostOrigin, Price, get_reported_cost
from stretto.model.conclude_session import conclude_session
from stretto.model.event import Kind
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.headline_sums import add_up_headline
from stretto.store.contributions.speedup_costs import add_up_cost_of_fanouts_and_waste
from stretto.store.contributions.tasks_and_fanouts import add_up_tasks
from tests.scenes import Drawing, by_description, fold_scene, frame_drawing, paid, straggler
from tests.test_work_and_outcome_figures import measured


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
        for added in (
            add_up_tasks(held.session, held.fanouts),
            add_up_cost_of_fanouts_and_waste(held),
            add_up_headline(held),
        ):
            for (_, measure, dims), value in added.items():
                cells = found.setdefault(measure, {})
                cells[dims] = cells.get(dims, 0) + value
    return found


def named(figures: list[Figure]) -> dict[str, Figure]:
    """Return figures by name without the prefix."""
    return {figure.name.removeprefix("stretto_"): figure for figure in figures}


def price(sums: Sums, rule: HeadlineRule = BY_WORK) -> list[Figure]:
    """Return the price figures of a window with these sums."""
    return [*compute_speedup_price_figures("1h", sums, build_verdict("1h", sums, measured, rule), rule)]


def test_a_second_saved_has_its_price() -> None:
    """600 tokens and 2 dollars for the 45 s that the straggler saves by its tasks' own lengths."""
    found = named(price(sums_of(paid())))
    assert found["parallel_tokens"].value == 600
    assert found["parallel_cost_usd"].value == pytest.approx(2)
    assert found["saved_second_tokens"].value == pytest.approx(600 / 45)
    assert found["saved_second_cost_usd"].value == pytest.approx(2 / 45)
    assert all(figure.coverage == 1 for figure in found.values())


def test_a_pattern_has_speedup_and_cost() -> None:
    """Five of a pattern have the speed-up of the headline; four have the reason, and their cost."""
    often = sums_of(*(paid(f"paid{number}") for number in range(5)))
    (pattern,) = {str(key[0]) for key in often["verdict_fanouts"]}
    found = named([*compute_speedup_and_cost_by_pattern("1h", often)])
    lead = build_verdict("1h", often, measured).lead
    assert lead is not None
    assert found["pattern_speedup"].value == pytest.approx(1.75)
    assert lead.speedup == pytest.approx(1.75)
    assert found["pattern_saved_seconds"].value == pytest.approx(5 * 45)
    assert found["pattern_parallel_cost_usd"].value == pytest.approx(5 * 2)
    assert {figure.labels for figure in found.values()} == {(("pattern", pattern), ("window", "1h"))}

    rarely = sums_of(*(paid(f"paid{number}") for number in range(3)), straggler("dumb"))
    found = named([*compute_speedup_and_cost_by_pattern("1h", rarely)])
    assert found["pattern_speedup"].value is None
    assert found["pattern_speedup"].reason == "a speed-up takes 5 parallel executions, there are 4"
    assert (found["pattern_parallel_cost_usd"].value, found["pattern_parallel_cost_usd"].coverage) == (
        6,
        0.75,
    )
    silent = named([*compute_speedup_and_cost_by_pattern("1h", sums_of(straggler("dumb")))])
    assert (
        silent["pattern_parallel_cost_usd"].reason == "no parallel execution reported the cost of every task"
    )


def test_only_executions_that_are_known_whole_count() -> None:
    """Only the first of two reports tokens: the price is its price, and the coverage is a half."""
    found = named(price(sums_of(paid(), straggler("dumb"))))
    assert (found["parallel_tokens"].value, found["parallel_tokens"].coverage) == (600, 0.5)
    assert found["saved_second_tokens"].value == pytest.approx(600 / 45)
    silent = paid("silent")
    silent.events = [e for e in silent.events if not (e.kind is Kind.MODEL_CALL and e.parent == "silent-c")]
    found = named(price(sums_of(silent)))
    assert found["parallel_tokens"].value is None
    assert found["parallel_tokens"].reason == "no parallel execution reported the tokens of every task"


def test_the_price_is_by_the_baseline_of_the_headline() -> None:
    """Configured hours cover everything: 180 s in 60 s; if they cover too little, the own lengths count."""
    hours = {"architecture": 0.01, "prd": 0.02, "test_strategy": 0.02}
    rule = HeadlineRule(Provenance.CONFIGURED, 1.0, hours)
    found = named(price(sums_of(paid()), rule))
    assert found["saved_second_tokens"].value == pytest.approx(600 / 120)
    found = named(price(sums_of(paid(), straggler("dumb")), HeadlineRule(Provenance.CONFIGURED, 1.0, {})))
    assert found["saved_second_tokens"].value == pytest.approx(600 / 45)
    assert found["saved_second_tokens"].coverage == 0.5


def test_where_nothing_was_saved_a_second_has_no_price() -> None:
    """Configured hours of a second each: there is no saved second to divide by."""
    hours = dict.fromkeys(("architecture", "prd", "test_strategy"), 1 / 3600)
    found = named(price(sums_of(paid()), HeadlineRule(Provenance.CONFIGURED, 1.0, hours)))
    assert found["parallel_tokens"].value == 600
    assert (found["saved_second_tokens"].value, found["saved_second_tokens"].reason) == (
        None,
        "no time was saved",
    )


def test_a_price_may_come_from_elsewhere() -> None:
    """Without a reported cost it is unknown; a price list gives it call by call."""
    free = paid(cost=None)
    found = named(price(sums_of(free)))
    assert found["parallel_tokens"].value == 600
    assert found["parallel_cost_usd"].value is None
    listed = sums_of(free, price=lambda call: Cost((call.tokens.input or 0) * 1_000, CostOrigin.LIST))
    assert named(price(listed))["parallel_cost_usd"].value == pytest.approx(560e-6)
    part = sums_of(free, price=lambda call: None if call.tokens.input == 40 else Cost(1, CostOrigin.LIST))
    assert named(price(part))["parallel_cost_usd"].value is None


def test_a_running_session_has_no_price_yet() -> None:
    """All its calls are in only when it is over."""
    drawing = paid()
    drawing.events = [event for event in drawing.events if event.kind is not Kind.SESSION_END]
    assert add_up_cost_of_fanouts_and_waste(settling(drawing)) == {}


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
    added = add_up_cost_of_fanouts_and_waste(held)
    assert (
        sum(value for (_, measure, _), value in added.items() if measure == "token_count") == 2 * 5 + 2 * 70
    )
    first = replace(held, fanouts=held.fanouts[:1])
    (tokens,) = (v for (_, m, _), v in add_up_cost_of_fanouts_and_waste(first).items() if m == "token_count")
    assert tokens == 10


def test_nothing_in_parallel_has_a_reason() -> None:
    """An empty window withholds its prices with that reason."""
    found = price({})
    assert {figure.value for figure in found} == {None}
    assert {figure.reason for figure in found} == {"nothing ran in parallel"}
