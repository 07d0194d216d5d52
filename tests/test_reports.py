"""Reports: every number equal in HTML, JSON and metrics, plain words first, reasons for what is absent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from stretto.analysis.realised_effects import RealisedEffect
from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.figures.quality_with_parallel_work import JudgedSession, compare_quality
from stretto.figures.scores.score_rules import ScoreRules
from stretto.findings.analysis_table import ANALYSES
from stretto.model.decisions import Decision, DecisionKind, make_finding_decision_event
from stretto.model.findings import RECOMMENDATION_PREFIX, Finding, FindingEvidence, FindingVerdict
from stretto.names import METRICS
from stretto.reports.html_report import print_html
from stretto.reports.kpi_targets_met_or_missed import KPIS, KpiInput, KpiValue, read_period_kpis
from stretto.reports.make_report import ReportRules, make_report
from stretto.reports.markdown_report import print_markdown, print_summary
from stretto.reports.report_document import Report, ReportCell, ReportSection, decode_report, encode_report
from stretto.reports.report_period import parse_period
from stretto.store.database import open_reader, open_writer
from stretto.store.finding_history_and_last_answers import (
    BEGAN,
    AnalysisResult,
    FindingChange,
    make_finding_id,
    write_analysis_result,
    write_finding_changes,
)
from stretto.store.finding_history_and_last_answers import _make_row as make_row
from tests.exposed import Samples, exposing, samples, value
from tests.operated import FORECAST
from tests.web_page import full
from tests.web_served import NOON, Store, Work

DIGITS = re.compile(r"\d")
COLUMN = re.compile(r'<rect [^>]*height="([\d.]+)"[^>]*><title>([^<]*)</title>')
LEAST_HEIGHT = 1.5
"""Height at which any value other than 0 can be seen."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with two days of parallel work, failures, scores and a garbled line."""
    store = Store(tmp_path)
    full(store)
    for day, length in ((1, 60), (2, 40), (5, 30)):
        work = [Work(0, length, "write tests", f"tester {number}", ok=number != 2) for number in range(3)]
        store.scene(f"before-{day}", NOON - day * DAY - HOUR, work)
    for day in range(6):
        store.scene(
            f"daily-{day}", NOON - day * DAY - 4 * HOUR, [Work(0, 30), Work(1, 41, "write docs", "<b>")]
        )
    store.refresh()
    return store


BLANK = "\N{NO-BREAK SPACE}"


def report(store: Store, text: str, zone: str = "UTC", switched_off: frozenset[str] = frozenset()) -> Report:
    """Return the report of a period as of the store's clock."""
    with closing(open_reader(store.config.database)) as connection:
        return make_report(
            connection,
            parse_period(text, store.now, zone),
            store.now,
            ReportRules(version="1", switched_off=switched_off),
        )


def cells(made: Report) -> Iterator[ReportCell]:
    """Yield all cells of a report's tables."""
    for section in made.sections:
        for table in section.tables:
            for row in table.rows:
                yield from row


class Reading(HTMLParser):
    """A printed report taken apart: its numbers and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.numbers: list[tuple[float, str]] = []
        self.texts: list[str] = []
        self._value: str | None = None
        self._style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._value = dict(attrs)["value"] if tag == "data" else None
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  # the parser's shape
        self._value, self._style = None, False

    def handle_data(self, data: str) -> None:
        if self._value is not None:
            self.numbers.append((float(self._value), data))
        elif data.strip() and not self._style:
            self.texts.append(data.strip())


def list_texts(node: object) -> Iterator[str]:
    """Yield every text of a decoded JSON document."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for inner in node.values():
            yield from list_texts(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from list_texts(inner)


@pytest.mark.parametrize("text", ["24h", "7d", "2026-11-19", "2026-W46", "2026-11"])
def test_every_number_of_the_html_is_that_of_the_json(store: Store, text: str) -> None:
    """Each number stands in the JSON with its text, in the same order; no other text adds digits."""
    made = report(store, text)
    reading = Reading(print_html(made))
    document = msgspec.json.decode(encode_report(made))

    told = [
        (cell["value"], cell["text"])
        for section in document["sections"]
        for table in section["tables"]
        for row in table["rows"]
        for cell in row[1:]
        if cell["value"] is not None
    ]
    assert len(told) > 20
    assert reading.numbers == told
    known = set(list_texts(document))
    bars = {f"{bar.label}: {bar.text}" for s in made.sections for chart in s.charts for bar in chart.bars}
    most = {f"most: {bar.text}, {bar.label}" for s in made.sections for c in s.charts for bar in c.bars}
    for words in reading.texts:
        if DIGITS.search(words):
            assert words in known | bars | most or words.startswith(f"Stretto {made.version}. A dash"), words


@pytest.mark.parametrize("after", [0, 1_234])
@pytest.mark.parametrize("text", ["24h", "7d"])
def test_every_number_with_a_series_is_that_of_the_metrics(store: Store, text: str, after: int) -> None:
    """At the same instant, on a full hour or not, a scrape has each series with exactly this value."""
    store.now += after * SECOND
    made = report(store, text)
    found: Samples = samples(exposing(("snapshot", store.refresh().figures)))

    named = [cell for cell in cells(made) if cell.series is not None and cell.value is not None]
    assert len({cell.series for cell in named}) > 15
    for cell in named:
        assert cell.series in METRICS
        labels = {**cell.labels, "window": text}
        assert cell.series is not None
        assert value(found, cell.series.removeprefix("stretto_"), **labels) == cell.value, (cell, labels)


def test_a_day_of_a_report_is_that_day_alone(store: Store) -> None:
    """Only sessions of the day before noon's are in it; the hours of its chart add up to its total."""
    made = report(store, "2026-11-19")
    work = next(section for section in made.sections if section.key == "work")
    rows = {row[0].text: row[1].value for row in work.tables[0].rows}

    assert rows["Sessions that ended"] == 2
    assert rows["Tasks that are over"] == 5
    saved = next(chart for chart in work.charts if chart.key == "saved")
    assert sum(bar.value or 0 for bar in saved.bars) == pytest.approx(rows["Time saved"])


def test_a_pattern_has_speedup_saved_time_cost_and_quality(store: Store) -> None:
    """Each is a series of the pattern; after too few executions, or without any cost, stands the reason."""

    def read_patterns(text: str) -> dict[str, ReportCell]:
        (table,) = (
            table
            for section in report(store, text).sections
            for table in section.tables
            if table.key == "patterns"
        )
        return dict(zip(table.columns, table.rows[0], strict=True))

    week, day = read_patterns("7d"), read_patterns("24h")
    assert week["speed-up"].series == "stretto_pattern_speedup"
    assert week["speed-up"].value is not None
    assert week["speed-up"].value > 1
    assert week["time saved"].text.endswith(("s", "min"))
    assert week["quality, of 10"].series == "stretto_pattern_quality_score"
    assert week["parallel cost"].reason == "no parallel execution reported the cost of every task"
    assert day["speed-up"].value is None
    assert str(day["speed-up"].reason).startswith("a speed-up takes 5 parallel executions, there are")


def test_three_sentences_say_how_things_stand(store: Store) -> None:
    """A reader who knows nothing of the tool learns what ran, what it brought, and what to look at."""
    made = report(store, "2026-11-19")

    assert len(made.state) == 3
    assert made.state[0] == (
        "On Thursday 19 November 2026, agents finished 5 tasks for other agents,"
        " and 1 of them brought nothing; 2\xa0sessions ended."
    ).replace("5 tasks", "5\xa0tasks")
    assert "by the tasks' own lengths, which flatters" in made.state[1]
    assert "targets are met; missed are" in made.state[2]


def test_an_empty_store_has_a_quiet_report(tmp_path: Path) -> None:
    """Nothing is invented: no number, a sentence instead, and each absent value with a reason."""
    store = Store(tmp_path)
    store.refresh()
    made = report(store, "2026-11-19")

    assert made.is_quiet
    assert made.state[0].endswith("no agent did any work that Stretto saw.")
    assert not [cell for cell in cells(made) if cell.series is not None and cell.value is not None]
    assert "What could not be told" in print_markdown(made)


def regression(ratio: float) -> FindingChange:
    """Return the beginning of a regression on the day before noon's."""
    evidence = FindingEvidence(40, ratio, ratio - 0.1, ratio + 0.1)
    finding = Finding("task_length", {"type": "tests"}, FindingVerdict.REGRESSION, evidence, NOON - DAY)
    id = make_finding_id(finding.kind, finding.subject)
    return FindingChange(id, NOON - DAY, BEGAN, "changes", finding)


def test_time_saved_is_not_praised_while_something_got_slower(store: Store) -> None:
    """The gain is qualified, the regression comes with the quiet checks; a report of before has neither."""
    with closing(open_writer(store.config.database)) as connection:
        write_finding_changes(connection, [make_row(regression(1.5))])
        quiet = Finding("task_length", {"type": "docs"}, FindingVerdict.NO_EVIDENCE, FindingEvidence(40))
        for analysis in ANALYSES:
            found = (quiet,) if analysis.name == "changes" else ()
            unlisted = {FindingVerdict.NO_EVIDENCE: 23} if analysis.name == "conditions" else {}
            result = AnalysisResult(analysis.name, NOON, 0.1, found, unlisted=unlisted)
            write_analysis_result(connection, result)
    after, before = report(store, "24h"), report(store, "2026-11-17")

    assert "got worse, so part of that is no gain" in after.state[1]
    assert after.state[2].startswith(
        "Look at this first: Tasks (tests) take 1.50 times as long since 19 November"
    )
    assert "Worse: Tasks (tests) take 1.50 times" in print_markdown(after).replace("\\", "")
    assert "24 checks of all kinds found nothing beyond chance" in print_markdown(after).replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert "got worse" not in " ".join(before.state)
    # Three days later the checks of today say nothing of that day.
    assert "how many checks looked for one then is not kept" in print_markdown(before)


def test_advice_stands_with_decisions_and_realised_effect(store: Store) -> None:
    """What to do, what was decided in the period, what applied advice brought, and how promises held."""
    subject = {"pattern": "release"}
    evidence = FindingEvidence(40, 300.0, 200.0, 400.0, unit="seconds")
    kind = f"{RECOMMENDATION_PREFIX}width"
    advice = Finding(kind, subject, FindingVerdict.IMPROVEMENT, evidence, NOON - 9 * DAY)
    id = make_finding_id(kind, subject)
    effect = RealisedEffect(FindingVerdict.IMPROVEMENT, 20, 20, 280.0, 210.0, 350.0, within_promise=True)
    brought = effect.to_finding("width", subject, NOON - HOUR)
    calibration = {"judged": 4, "within": 3, "promised_seconds": 900, "realised_seconds": 800, "ratio": 0.9}
    with closing(open_writer(store.config.database)) as connection:
        began = FindingChange(id, NOON - 9 * DAY, BEGAN, "advice", advice)
        write_finding_changes(connection, [make_row(began)])
        known = AnalysisResult("effects", NOON, 0.1, (brought,), extra={"calibration": calibration})
        write_analysis_result(connection, known)
    store.events([make_finding_decision_event(Decision("d", NOON - HOUR, DecisionKind.APPLIED, id))])
    store.refresh()

    def read_advice(text: str) -> ReportSection:
        return next(section for section in report(store, text).sections if section.key == "recommendations")

    now = read_advice("24h")
    (sentence,) = now.sentences
    assert sentence.replace(BLANK, " ") == "Of 4 applied recommendations, 75 % brought what was promised."
    assert [item.partition(":")[0] for item in now.items] == ["Do", "Applied", "Brought"]
    in_words = now.items[2].replace(BLANK, " ")
    assert "saves 4 min 40 s a session [210 s, 350 s], as promised" in in_words
    printed = print_markdown(report(store, "24h")).replace("\\", "")
    assert all(item in printed for item in now.items)
    before = read_advice("2026-11-13")
    assert [item.partition(":")[0] for item in before.items] == ["Do"]
    (sentence,) = before.sentences
    assert sentence.startswith("What applied advice had brought by then is not kept")


def test_missed_parallel_work_and_the_trend_of_satisfaction_are_told(store: Store) -> None:
    """What side by side would have saved is that of the metrics; satisfaction rises by a point a day."""
    for day in range(3):
        store.now = NOON - (2 - day) * DAY
        session = f"daily-{2 - day}"
        judged = {"session": session, "task": "agent0", "name": "satisfaction", "value": 2 + day}
        (receipt,) = store.append_scores([judged])
        assert receipt.event is not None
    store.refresh()
    made = report(store, "7d")
    tables = {table.key: table for section in made.sections for table in section.tables}
    (missed,) = [row[1] for row in tables["work"].rows if row[0].text.startswith("Missed")]
    found = samples(exposing(("snapshot", store.refresh().figures)))
    patterns = {dict(labels)["pattern"] for name, labels in found if name == "opportunity_seconds"}
    assert missed.value == sum(
        value(found, "opportunity_seconds", pattern=pattern, window="7d") or 0 for pattern in patterns
    )
    assert missed.value
    (trend,) = tables["score_trends"].rows
    assert [cell.text for cell in trend[:3]] == ["satisfaction", "4", "1"]


def test_every_column_of_a_chart_is_its_value(store: Store) -> None:
    """Each column has the text of its value, in order, and their heights are as their values."""
    made = report(store, "7d")
    drawn = iter(COLUMN.findall(print_html(made)))
    charts = [
        chart for section in made.sections for chart in section.charts if any(bar.value for bar in chart.bars)
    ]
    assert [chart.key for chart in charts] == ["saved", "tasks", "wasted"]
    for chart in charts:
        largest = max(abs(bar.value or 0) for bar in chart.bars)
        columns = [next(drawn) for _ in chart.bars]
        tallest = max(float(height) for height, _ in columns)
        for bar, (height, title) in zip(chart.bars, columns, strict=True):
            assert unescape(title) == f"{bar.label}: {bar.text}"
            if bar.value:
                share = max(abs(bar.value) / largest, LEAST_HEIGHT / tallest)
                assert float(height) / tallest == pytest.approx(share, abs=0.01), (chart.key, bar)
            else:
                assert float(height) == 0
    assert next(drawn, None) is None


def test_the_next_days_are_forecast_with_their_range(store: Store) -> None:
    """Tomorrow and the day in a week with the range that was tried on the past, or a reason that is true."""
    (quiet,) = [section for section in report(store, "24h").sections if section.key == "forecast"]
    assert quiet.sentences == ("Nothing is forecast: its analysis has not answered yet.",)
    with closing(open_writer(store.config.database)) as connection:
        write_analysis_result(connection, AnalysisResult("outlooks", NOON, 0.1))
        (quiet,) = [section for section in report(store, "24h").sections if section.key == "forecast"]
        assert quiet.sentences == ("Nothing is forecast: no kind of task has enough days.",)
        write_analysis_result(connection, AnalysisResult("outlooks", NOON, 0.1, extra=FORECAST))
    (section,) = [section for section in report(store, "24h").sections if section.key == "forecast"]
    (row,) = section.tables[0].rows
    assert [cell.text.replace(BLANK, " ") for cell in row] == [
        "task length: release, tests", "1 min 30 s", "1 min 20 s to 1 min 40 s", "1 min 30 s",
        "1 min 20 s to 1 min 40 s", "80 %",
    ]  # fmt: skip
    off = {section.key: section for section in report(store, "24h", switched_off=OUTLOOKS).sections}
    assert off["forecast"].sentences == ("Nothing is forecast: the analysis outlooks is switched off.",)
    assert "Switched off: outlooks." in off["untold"].items
    (past,) = [section for section in report(store, "2026-11-15").sections if section.key == "forecast"]
    assert past.sentences == ("What was forecast then is not kept: see the current report.",)


OUTLOOKS = frozenset({"outlooks"})


def test_a_report_has_no_answers_of_analyses_that_are_gone(store: Store) -> None:
    """Neither its checks nor its failure: nothing would ever renew them."""
    quiet = FindingEvidence(9, detectable=1.2)
    with closing(open_writer(store.config.database)) as connection:
        gone = Finding("task_length", {}, FindingVerdict.NO_EVIDENCE, quiet)
        write_analysis_result(connection, AnalysisResult("of_an_earlier_version", NOON, 0.1, (gone,)))
    printed = print_markdown(report(store, "24h"))
    assert "Nothing looked for changes." in printed
    assert "no analysis has answered yet" in printed


def test_a_target_is_judged_since_the_first_period_of_the_run() -> None:
    """Unknown days do not end a run; a range on both sides of the target is no verdict."""
    quality = next(kpi for kpi in KPIS if kpi.key == "quality")
    errors = next(kpi for kpi in KPIS if kpi.key == "errors")
    hours = next(kpi for kpi in KPIS if kpi.key == "hours_saved")

    assert quality.is_met(KpiValue(None, 8.0, 9.0), 1) is None
    assert quality.is_met(KpiValue(None, 8.6, 9.0), 1) is True
    assert quality.is_met(KpiValue(None, 8.0, 8.5), 1) is False
    assert errors.is_met(KpiValue(0.04), 1) is True
    assert errors.is_met(KpiValue(0.05), 1) is False
    assert hours.is_met(KpiValue(15.0), 1) is True
    assert hours.is_met(KpiValue(15.0), 7) is False


def test_a_value_beside_its_target_never_reads_like_a_target_that_it_is_not() -> None:
    """79.6 % beside 80 % has one more digit, 79.96 % two; the target itself and other values have none."""
    adoption, quality = (next(kpi for kpi in KPIS if kpi.key == key) for key in ("adoption", "quality"))
    texts = [adoption.format_beside_target(value, 1) for value in (0.796, 0.7996, 0.8, 0.701)]
    assert [text.replace(BLANK, " ") for text in texts] == ["79.6 %", "79.96 %", "80 %", "70 %"]
    assert quality.format_beside_target(quality.target - 0.001, 1) != quality.format_value(quality.target)


def test_a_target_of_which_nothing_is_known_has_the_reason_in_its_row(store: Store) -> None:
    """Nobody gave a score of synthesis: the row says so itself."""
    tables = {table.key: table for section in report(store, "24h").sections for table in section.tables}
    (row,) = [row for row in tables["kpis"].rows if row[0].text == "Synthesis of results"]
    assert row[4].text == "not known: nobody gave the score 'synthesis'"


def judge_sessions(
    pattern: str | None, together: Sequence[float], alone: Sequence[float]
) -> list[JudgedSession]:
    """Return sessions of a pattern with these qualities, with parallel work and without."""
    return [
        JudgedSession(NOON, pattern, is_parallel, quality)
        for is_parallel, qualities in ((True, together), (False, alone))
        for quality in qualities
    ]


def test_quality_is_compared_within_patterns() -> None:
    """An easy pattern that is always parallel adds nothing; the difference is that of like work."""
    sessions = [
        *judge_sessions("release", (8, 9, 8, 9, 8), (7, 8, 7, 8, 7)),
        *judge_sessions("easy", (10,) * 20, ()),
    ]
    found = compare_quality(sessions)
    assert not isinstance(found, str)
    # s² = 0.3 on both sides: 1 ± 2.306 · √(0.3 / 5 · 2), at 8 degrees of freedom.
    assert found.mean == pytest.approx(1)
    assert found.low == pytest.approx(0.2012, abs=1e-3)
    assert found.high == pytest.approx(1.7988, abs=1e-3)
    assert (found.parallel, found.alone) == (5, 5)
    assert compare_quality([]) == "nobody judged the quality of a session"
    few = compare_quality(judge_sessions(None, (8, 9, 8, 9), (7, 8, 7, 8)))
    assert few == (
        "judged sessions of the same patterns: 4 with parallel work and 4 without, 5 of each are asked for"
    )


@pytest.mark.parametrize(
    ("together", "is_met"),
    [((8, 9, 8, 9, 8), True), ((7, 8, 7, 8, 7) * 4, True), ((6, 7, 6, 7, 6), False), ((7, 8, 7, 8, 7), None)],
)
def test_quality_with_parallel_work_is_kept_lost_or_not_known(
    together: Sequence[float], is_met: bool | None
) -> None:
    """Higher, or the same of many: kept. Lower beyond chance: not. The same of a few says nothing."""
    given = KpiInput(
        {},
        lambda *_: pytest.fail("nothing to compare"),
        ScoreRules(),
        judged=judge_sessions("release", together, (7, 8, 7, 8, 7) * 4),
    )
    parity = next(kpi for kpi in KPIS if kpi.key == "parity")
    assert parity.is_met(parity.read(given), 1) is is_met


def test_the_judged_sessions_of_a_period_are_on_the_sheet(tmp_path: Path) -> None:
    """Of five sessions with parallel work and five without, each judged once on a scale of 5."""
    store, qualities = Store(tmp_path), {}
    for number in range(10):
        works = (Work(0, 30), Work(0, 20)) if number % 2 else (Work(0, 30), Work(40, 60))
        store.scene(f"s{number}", NOON - HOUR + number * MINUTE, works)
        qualities[f"s{number}"] = 9 if number % 2 else 6
    store.refresh()
    store.append_scores(
        [{"session": session, "name": "quality", "value": value} for session, value in qualities.items()]
    )
    store.refresh()
    table = report(store, "24h").sections[0].tables[0]
    row = next(row for row in table.rows if row[0].text == "Quality with parallel work at least as without")
    assert [cell.text for cell in row[1:3]] == ["above \N{MINUS SIGN}0.5 of 10", "+3.0 of 10 [+3.0 to +3.0]"]
    assert row[4].text == "met"


def test_patterns_that_use_parallel_work_are_counted() -> None:
    """Two of three named patterns have a turn whose tasks ran in parallel."""
    turns: dict[tuple[str | int, ...], int] = {
        ("a", "parallel"): 1,
        ("a", "alone"): 9,
        ("b", "parallel"): 2,
        ("c", "alone"): 3,
        ("none", "alone"): 4,
    }
    patterns = next(kpi for kpi in KPIS if kpi.key == "patterns")
    value = patterns.read(
        KpiInput({"turns": turns}, lambda *_: pytest.fail("nothing to compare"), ScoreRules())
    )
    assert value.value == pytest.approx(2 / 3)


def test_every_kpi_without_data_has_a_reason() -> None:
    """No target is judged on nothing."""
    judged = read_period_kpis(
        parse_period("24h", NOON, "UTC"),
        KpiInput({}, lambda *_: pytest.fail("nothing to compare"), ScoreRules()),
    )

    assert {key for key, each in judged.values.items() if each.value is None and each.reason} == {
        kpi.key for kpi in KPIS
    }


def test_since_when_a_target_is_missed(store: Store) -> None:
    """Failures from five days ago on: the day after the last one before it that met the target."""
    made = report(store, "2026-11-19")
    (table,) = made.sections[0].tables
    success = next(row for row in table.rows if row[0].text == "Tasks that succeed")

    assert [cell.text for cell in success[4:]] == ["missed", "18 November"]


def test_names_of_others_are_no_markup(store: Store) -> None:
    """An agent called <b> is shown so in HTML, and steers neither Markdown nor a table."""
    made = report(store, "24h")

    assert "<b>" not in print_html(made)
    assert "&lt;b&gt;" in print_html(made)
    assert "| \\<b\\> |" in print_markdown(made)


def test_the_html_asks_for_nothing() -> None:
    """No address, script, font or picture of elsewhere is in the template."""
    html = Path("src/stretto/reports/templates/report.html").read_text(encoding="utf-8")

    assert not re.search(r"https?:|src=|@import|url\(|<script|<link", html)
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html


def test_a_summary_is_short_and_names_the_page(store: Store) -> None:
    """A chat gets the state, the judged targets, and the address."""
    lines = print_summary(report(store, "24h"), "http://127.0.0.1:9464/reports/day").splitlines()

    assert lines[0] == "*Report on the last 24 hours*"
    assert lines[-1] == "http://127.0.0.1:9464/reports/day"
    assert len(lines) <= 20


def test_a_report_comes_back_from_its_json(store: Store) -> None:
    """What is kept is the document itself, so that each printer prints the same later."""
    made = report(store, "7d")

    assert decode_report(encode_report(made), "here") == made
