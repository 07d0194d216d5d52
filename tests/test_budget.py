"""Budgets: what a day and a month cost so far, what they will cost, and in which zone they begin."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stretto.cli.top import format_frame
from stretto.cli.top_data import FrameReader, build_document
from stretto.clock import DAY, HOUR, to_rfc3339
from stretto.figures.spending_forecast import BudgetForecast, DaysUntilGone, forecast_budget
from stretto.model.event import Event, Kind
from stretto.reports.make_report import ReportRules, make_report
from stretto.reports.report_parts import ReportPart
from stretto.reports.report_period import parse_period
from stretto.store.database import open_reader
from stretto.summaries.budget_in_words import build_budget_document, describe_budget
from stretto.summaries.spending_outlook import PeriodSpending, compute_spending_figures, read_spending
from tests.fakes import store
from tests.scenes import BEGIN, Drawing
from tests.web_served import NOON, Store, served

BUDGETS = {"day": 5, "month": 100}
TODAY = PeriodSpending(
    "day", 3.2, 5, BudgetForecast(4.9, 4.1, 6.0, 28, DaysUntilGone(0.25, 0.125, None)), 3, NOON,
    NOON + 12 * HOUR, "UTC",
)  # fmt: skip


BLANK = "\N{NO-BREAK SPACE}"


def write(spending: PeriodSpending) -> str:
    """Return the sentence with plain blanks."""
    return describe_budget(spending).replace(BLANK, " ")


def test_a_forecast_adds_such_days_as_there_were() -> None:
    """After seven days of 10 dollars half a day more is 5 for certain; scatter gives a range."""
    sure = forecast_budget(3.0, [10.0] * 7, 0.5)
    assert sure is not None
    assert (sure.low, sure.middle, sure.high) == (8.0, 8.0, 8.0)
    range_ = forecast_budget(0.0, [0.0, 20.0] * 14, 10)
    assert range_ is not None
    assert range_.low < range_.middle < range_.high
    assert 80 <= range_.middle <= 120
    assert forecast_budget(3.0, [10.0] * 6, 0.5) is None


def test_a_forecast_says_when_the_budget_is_gone() -> None:
    """Half a day of 10 dollars and four days and a half more use up 50; a large budget lasts."""
    known = [10.0] * 7
    for budget, days in ((53.0, 5.0), (8.0, 0.5), (1_000.0, None), (3.0, 0.0), (2.0, 0.0)):
        forecast = forecast_budget(3.0, known, 10.5, budget)
        assert forecast is not None
        assert forecast.gone == DaysUntilGone(days, days, days)
    scattered = forecast_budget(0.0, [0.0, 20.0] * 14, 10, 100.0)
    assert scattered is not None
    gone = scattered.gone
    assert gone.low is not None
    assert gone.middle is not None
    assert 5 <= gone.low < gone.middle <= 10
    assert gone.high is None, "in one of ten it lasts"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, "from the last 28 days; gone at 18:00 [at 15:00, not by its end]."),
        ({}, "Budget of 20 November: $3.20 of $5.00 spent; $4.90 [$4.10, $6.00] expected by its end, from"),
        ({"gone": DaysUntilGone(None, 0.25, None)}, "; it lasts, or is gone at 18:00 at the earliest."),
        ({"gone": DaysUntilGone(None, None, None)}, "from the last 28 days; it lasts."),
        ({"spent": 5.5}, "Budget of 20 November: $5.50 of $5.00 spent; it is gone; $4.90 ["),
        ({"unpriced": 1}, "$3.20 of $5.00 spent, at least: 1 call without a known cost; $4.90 ["),
        ({"forecast": None}, "spent; no forecast yet: 3 whole days are known, 7 are needed."),
        ({"end": NOON + 1}, "Budget of 20 November: $3.20 of $5.00 spent."),
        ({"period": "month"}, "Budget of November 2026: $3.20 of $5.00 spent; $4.90"),
    ],
)  # fmt: skip
def test_a_budget_is_a_sentence(changed: dict[str, Any], sentence: str) -> None:
    """Spent, the forecast with its range, and when it will be gone; without a forecast why not."""
    gone = changed.pop("gone", DaysUntilGone(0.25, 0.125, None))
    made = replace(TODAY, forecast=BudgetForecast(4.9, 4.1, 6.0, 28, gone))
    assert sentence in write(replace(made, **changed))


def test_budgets_stand_where_people_look(tmp_path: Path) -> None:
    """The overview, the live view as text and JSON, and the report of a day and of a week."""
    web = Store(tmp_path)
    used = {"input_tokens": 10, "output_tokens": 10, "cost_usd": 3.2}
    web.events([Event(kind=Kind.MODEL_CALL, session="s", time=NOON - HOUR, id="m", attributes=used)])
    web.refresh()
    spent = "Budget of 20 November: $3.20 of $5.00 spent"
    with served(web.make_backend(budgets=lambda: [TODAY])) as client:
        assert f"<li>{describe_budget(TODAY)}</li>" in client.get("/").text
    with served(web.make_backend()) as client:
        assert 'id="budgets"' not in client.get("/").text
    config = replace(web.config, budget_dollars_per_day=5, budget_dollars_per_month=3)
    frame = FrameReader(config).read_frame(NOON)
    assert f"{spent}; no forecast yet: 0 whole days are known, 7 are needed." in format_frame(frame).replace(
        BLANK, " "
    )
    day, month = build_document(frame)["budgets"]
    assert (day["spent_usd"], day["budget_usd"], day["forecast_usd"], day["gone_at"]) == (3.2, 5, None, None)
    assert month["sentence"].startswith("Budget of November 2026: $3.20 of $3.00 spent; it is gone")
    known = build_budget_document(TODAY)
    assert known["forecast_usd"] == {"middle": 4.9, "low": 4.1, "high": 6.0, "days": 28}
    assert known["gone_at"] == {
        "middle": to_rfc3339(NOON + 6 * HOUR),
        "low": to_rfc3339(NOON + 3 * HOUR),
        "high": None,
    }
    assert (known["is_gone"], known["unpriced_model_calls"]) == (False, 0)
    gone = build_budget_document(replace(TODAY, spent=5.0, unpriced=2))
    assert (gone["is_gone"], gone["gone_at"], gone["unpriced_model_calls"]) == (True, None, 2)
    assert gone["forecast_usd"] is not None
    rules = ReportRules(budgets=config.budgets)
    with closing(open_reader(config.database)) as connection:
        for name, count in (("2026-11-20", 2), ("2026-W47", 1)):
            report = make_report(connection, parse_period(name, NOON, "UTC"), NOON, rules)
            (cost,) = (section for section in report.sections if section.key == ReportPart.COST.value)
            assert len(cost.sentences) == count
            assert cost.sentences[-1].startswith("Budget of November 2026: $3.20 of $3.00 spent; it is gone")


def test_the_cover_of_the_range_is_that_of_80_percent() -> None:
    """Of 200 months of random days about 80 % end within the range."""
    from random import Random  # noqa: PLC0415  # beside its use

    random = Random(3)
    inside = 0
    for _ in range(200):
        forecast = forecast_budget(0.0, [random.expovariate(0.1) for _ in range(28)], 10)
        assert forecast is not None
        inside += forecast.low <= sum(random.expovariate(0.1) for _ in range(10)) <= forecast.high
    assert 130 <= inside <= 180


def test_spending_is_that_of_the_local_day_and_month(tmp_path: Path) -> None:
    """Half a dollar at 23:30 UTC of each day: in Berlin it belongs to the day after."""
    with store(tmp_path) as opened:
        for day in range(10):
            second = day * 86_400 + 84_600
            drawing = Drawing(f"d{day}").opens(second)
            drawing.model("m", second, took=1, cost_usd=0.5, input_tokens=10, output_tokens=10)
            drawing.model("free", second, model="of-no-price", took=1, input_tokens=10, output_tokens=10)
            opened.take(drawing.ends(second + 5).events)
        now = BEGIN + 10 * DAY + 9 * HOUR
        utc = {each.period: each for each in read_spending(opened.connection, now, "UTC", BUDGETS)}
        berlin = {
            each.period: each for each in read_spending(opened.connection, now, "Europe/Berlin", BUDGETS)
        }
        assert (utc["day"].unpriced, berlin["day"].unpriced, utc["month"].unpriced) == (0, 1, 10)
        assert utc["day"].spent == 0
        assert berlin["day"].spent == pytest.approx(0.5)
        assert utc["month"].spent == pytest.approx(5.0)
        assert berlin["month"].spent == pytest.approx(5.0)
        assert utc["month"].forecast is not None
        assert utc["month"].forecast.middle == pytest.approx(5.0 + 20 * 0.5 + 0.5 * 15 / 24, abs=0.6)
        figures = {(f.name, dict(f.labels).get("bound"), dict(f.labels)["period"]): f.value
                   for f in compute_spending_figures([*utc.values()])}  # fmt: skip
        assert figures["stretto_budget_usd", None, "day"] == 5
        assert figures["stretto_budget_spent_usd", None, "month"] == pytest.approx(5.0)
        middle = {"stretto_budget_forecast_usd": figures["stretto_budget_forecast_usd", "middle", "day"]}
        assert middle == {"stretto_budget_forecast_usd": pytest.approx(0.3, abs=0.1)}
        assert [*compute_spending_figures(read_spending(opened.connection, now, "UTC", {}))] == []
        _, month = read_spending(opened.connection, now, "UTC", {"day": 5, "month": 7})
        assert write(month) == (
            "Budget of January 2026: $5.00 of $7.00 spent, at least: 10 calls without a known cost;"
            " $15.31 [$15.31, $15.31] expected by its end, from"
            " the last 10 days; gone on 15 January."
        )
