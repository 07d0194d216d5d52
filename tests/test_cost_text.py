"""Spending as text: cost, tokens and their missing parts."""

from __future__ import annotations

from stretto.cli.cost_text import format_cost_and_tokens, format_model_calls
from stretto.cli.session_kpi_text import format_kpis
from stretto.figures.session_spending import Priced, Spending
from stretto.model.call_cost_and_usage_types import Cost, CostOrigin
from stretto.model.entities import ModelCall, Tokens
from stretto.model.event import Outcome


def call(model: str, task: str | None, tokens: Tokens, dollars: float | None) -> Priced:
    """Return a model call with its cost."""
    model_call = ModelCall("m", model, task, 0, 1, Outcome.SUCCESS, tokens)
    return model_call, None if dollars is None else Cost(round(dollars * 1e9), CostOrigin.LIST)


def test_a_session_without_model_calls_has_no_line() -> None:
    """Without reported model calls the text is empty, not zero dollars."""
    assert format_model_calls([]) == []
    assert format_cost_and_tokens(None) == ""


def test_it_tells_cost_tokens_models_and_tasks() -> None:
    """The most expensive part comes first; the main agent's calls have its name."""
    lines = format_model_calls(
        [
            call("small", "t1", Tokens(input=900, output=100), 0.10),
            call("large", None, Tokens(input=50, cache_read=5000), 1.25),
        ]
    )

    assert lines == [
        "spent $1.35, 6.05 k tokens in 2 model calls (price: 2 calls list)",
        "  tokens: input 950, output 100, cache read 5 k",
        "  models: large $1.25, 5.05 k tokens; small $0.10, 1 k tokens",
        "  tasks: main agent $1.25, 5.05 k tokens; t1 $0.10, 1 k tokens",
        "",
    ]


def test_what_has_no_price_is_said_beside_the_cost() -> None:
    """Calls without a price are counted, and an unknown cost is never 0."""
    known = call("a", None, Tokens(output=1), 0.004)
    unknown = call("b", None, Tokens(output=1), None)

    first_line = format_model_calls([known, unknown])[0]
    assert first_line.startswith("spent at least $0.004 and 1 call without a price, 2 tokens")
    assert format_model_calls([unknown])[0] == "spent cost unknown, 1 token in 1 model call"


def test_many_models_are_cut_and_counted() -> None:
    """Five models are named, the rest is counted."""
    lines = format_model_calls([call(f"m{n}", None, Tokens(output=10 - n), None) for n in range(7)])

    (models,) = (line for line in lines if line.startswith("  models: "))
    assert models.startswith("  models: m0 ")
    assert models.endswith("m4 cost unknown, 6 tokens; and 2 more")


def test_calls_without_tokens_have_no_sum_of_them() -> None:
    """A source that reports only calls gives no tokens."""
    assert format_cost_and_tokens(Spending(model_calls=2)) == "cost unknown"


def test_a_phase_has_its_own_line() -> None:
    """A phase's line begins with its name; reasons for absent figures are shown for the session only."""
    share = {"ratio": 0.5, "count": 4, "reason": None}
    none = {"ratio": None, "count": 0, "reason": "nothing to divide by"}
    score = {"score": 80.0, "low": None, "high": None, "coverage": 1.0, "reason": None}
    hidden = {
        "score": None,
        "low": None,
        "high": None,
        "coverage": 0.1,
        "reason": "1 of 6 parts known (and so on)",
    }
    kpis = {
        **dict.fromkeys(("completion", "retry", "recovery", "phase_success", "integration_success"), none),
        "success": share,
        "adoption": none,
        "conflicts": 2,
        "efficiency": score,
        "collaboration": hidden,
        "overall_quality": {"score": 7.5, "low": 7, "high": 8, "coverage": 0.9, "reason": None},
        "quality": {"prd": {"score": 7.25, "low": 3.6, "high": 8.6, "coverage": 0.5, "reason": None}},
        "agents": {},
    }

    lines = format_kpis({**kpis, "phases": [{"name": "build", **kpis}]})

    assert lines == [
        "outcomes: success 50% of 4, conflicts 2",
        "scores: efficiency 80/100, overall quality 7.5 [7.0–8.0]/10, quality prd 7.2 [3.6–8.6]/10",
        (
            "  withheld: completion, retry, recovery, phase success, integration success, adoption:"
            " nothing to divide by"
        ),
        "  withheld: collaboration: 1 of 6 parts known",
        "phase build: outcomes: success 50% of 4, conflicts 2",
        (
            "phase build: scores: efficiency 80/100, overall quality 7.5 [7.0–8.0]/10,"
            " quality prd 7.2 [3.6–8.6]/10"
        ),
        "",
    ]
    assert format_kpis({}) == []
