"""Rules, Alertmanager's configuration and the runbook agree with the table of names; needs no server."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from stretto.figures.sequential_baseline_choice import Provenance
from stretto.model.event import Outcome
from stretto.names import JOB, METRICS, Label, Metric
from stretto.servers.supervisor import SHIPPED, SHIPPED_PAGE, SHIPPED_TOKEN
from tests.every import for_each
from tests.promql_labels import exported, labels_of, matched, nodes, series_in

ROOT = Path(__file__).resolve().parents[1]
PROMETHEUS = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text())
ALERTMANAGER = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
RULE_FILES = [
    *(ROOT / f"prometheus/rules/{name}.yml" for name in ("thresholds", "recording", "alerts")),
    *sorted((ROOT / "prometheus/rules").glob("alerts_*.yml")),
]
"""In the order in which they build on each other."""
TEST_FILES = sorted((ROOT / "prometheus/tests").glob("*.yml"))
RUNBOOK = ROOT / "docs/runbook"
PAGE = f"http://{SHIPPED_PAGE}"
"""The service to a browser; the servers reach it by the name that the compose file gives it."""
HEADINGS = ("## Meaning", "## Impact", "## Diagnosis", "## First step", "## Silence and tune")


@dataclass(frozen=True)
class Rule:
    """A recording or alerting rule as written, with the labels of its series."""

    name: str
    group: str
    expr: promql.Expr
    written: Mapping[str, Any]
    series: frozenset[str]

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.written.get("labels", {}))

    @property
    def severity(self) -> str:
        return self.labels.get("severity", "")

    @property
    def notes(self) -> dict[str, str]:
        return dict(self.written["annotations"])

    def __str__(self) -> str:
        return f"{self.name}:{self.severity}".rstrip(":")


def load_rules() -> list[Rule]:
    """Return all rules in file order. Raises AssertionError where one reads what does not exist before it."""
    known, rules = exported(), []
    for path in RULE_FILES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for written in group["rules"]:
                name = written.get("record") or written["alert"]
                expr = promql.parse(written["expr"])
                try:
                    labels = labels_of(expr, known) or frozenset()
                except AssertionError as error:
                    raise AssertionError(f"{path.name}, {name}: {error}") from error
                rule = Rule(name, group["name"], expr, written, labels | frozenset(written.get("labels", {})))
                rules.append(rule)
                if "record" in written:
                    known[name] = rule.series
    return rules


RULES = load_rules()
RECORDED = {rule.name: rule for rule in RULES if "record" in rule.written}
KNOWN = exported() | {name: rule.series for name, rule in RECORDED.items()}
THRESHOLDS = [rule for rule in RULES if rule.name.startswith("stretto:threshold:")]
WATCHDOG = "StrettoWatchdog"
"""It always fires and is about no figure, so the checks of other alerts do not apply."""
ALERTS = [rule for rule in RULES if "alert" in rule.written and rule.name != WATCHDOG]
NAMES = sorted({alert.name for alert in ALERTS} | {WATCHDOG})
RATIOS = [metric for metric in METRICS.values() if metric.ingredients]
QUANTILE = {1.96, *(round(1.96**2 / part, 4) for part in (1, 2, 4))}
"""The numbers of the 95 % interval of a share: the quantile of the normal distribution, and what it makes."""
SUBJECTS = {
    Label.TASK_TYPE, Label.AGENT, Label.TOOL, Label.PATTERN, Label.MODEL, Label.CACHE, Label.SCORE,
}  # fmt: skip
"""The labels that name the subject of an alert."""
each_alert = for_each(ALERTS)


ELSEWHERE = ("stretto:threshold:", "StrettoWatchdog")
"""Beginnings of rules that are about no service: limits, and the alert that always fires."""


@for_each(RULES)
def test_no_rule_mixes_services(rule: Rule) -> None:
    """Every figure and alert keeps job and instance, through every aggregation and match."""
    if not rule.name.startswith(ELSEWHERE):
        assert {"job", "instance"} <= rule.series, rule.name
    for node in nodes(rule.expr, promql.AggregateExpr):
        kept = node.modifier
        assert kept is not None, node.prettify()
        is_kept = kept.type == promql.AggModifierType.By
        assert ("instance" in kept.labels) is is_kept, node.prettify()


@each_alert
def test_no_text_reads_another_service(alert: Rule) -> None:
    """A query of a text asks for the alert's own instance, or for a limit, which is the same for all."""
    for query in re.findall(r"\{\{-? *(?:with|range)[^}]*\}\}", " ".join(alert.notes.values())):
        if "query" in query and "stretto:threshold:" not in query:
            assert "instance=%q" in query, query
            assert "$labels.instance" in query, query


def scraped_by(expr: promql.Expr) -> set[str]:
    """Return the names of the scraped series at the bottom of an expression, through recorded ones."""
    found: set[str] = set()
    for name in series_in(expr):
        found |= scraped_by(RECORDED[name].expr) if name in RECORDED else {name}
    return found


def seconds(duration: str) -> float:
    """Return a length as Prometheus writes it, in seconds."""
    return float(promql.parse_duration(duration).total_seconds())


def recorded_for(figure: str) -> str:
    """Return the end of the name under which a ratio is recorded."""
    return f":stretto_{figure.removeprefix('stretto_').removesuffix('_ratio')}:ratio"


@pytest.mark.parametrize(
    "expression",
    [
        "stretto_no_such_metric",
        'stretto_window_tasks{agent="none"}',
        'stretto_window_tasks{outcome="failed"}',
        'stretto_success_ratio{window="1d"}',
        "sum by (tool) (stretto_window_tasks)",
        "stretto_success_ratio - stretto_agent_error_ratio",
        "stretto_success_ratio > on (agent) group_left () stretto_agent_error_ratio",
        "stretto_success_ratio > on () group_left () stretto:threshold:no_such_limit",
        "stretto_task_duration_seconds",
    ],
)
def test_a_wrong_name_label_value_or_match_is_found(expression: str) -> None:
    """The check of the rules reports each of these mistakes."""
    with pytest.raises(AssertionError):
        labels_of(promql.parse(expression), KNOWN)


def test_every_rule_file_was_read() -> None:
    """Prometheus loads the files that were read above, where an unknown name or label raises; no others."""
    assert PROMETHEUS["rule_files"] == ["rules/*.yml"]
    assert set(RULE_FILES) == set((ROOT / "prometheus/rules").iterdir())
    assert THRESHOLDS
    assert ALERTS


@for_each(RECORDED.values())
def test_recorded_name_says_level_metric_and_operation(rule: Rule) -> None:
    """The level is a label of the recorded series, or "stretto" for all of it."""
    level, metric, operation = rule.name.split(":")
    assert level == "stretto" or level in rule.series
    assert re.fullmatch(r"stretto_[a-z_]+|threshold", metric)
    assert re.fullmatch(r"[a-z_]+", operation)


@for_each(RATIOS, lambda metric: metric.name)
def test_every_ratio_is_recorded_from_its_ingredients(metric: Metric) -> None:
    """A ratio gauge has one recording rule, over its ingredients and nothing else, for each of its series."""
    (rule,) = (rule for name, rule in RECORDED.items() if name.endswith(recorded_for(metric.name)))
    assert scraped_by(rule.expr) == set(metric.ingredients)
    assert rule.series == {"job", "instance", *map(str, metric.labels)}


@for_each(RULES)
def test_rule_adds_only_what_adds_up(rule: Rule) -> None:
    """Counts are read by outcomes that are named; the sum or mean of ratios or percentiles means nothing."""
    for selector in nodes(rule.expr, promql.VectorSelector):
        if Label.OUTCOME in KNOWN[selector.name]:
            asked = matched(selector, Label.OUTCOME)
            assert asked
            assert Outcome.RUNNING not in asked
    for node in nodes(rule.expr, promql.AggregateExpr):
        assert str(node.op) in {"sum", "max"}
        if str(node.op) == "sum":
            assert not [s for s in series_in(node) if re.search(r"[:_](ratio|quantile_seconds)$", s)]


def test_every_baseline_has_its_limits() -> None:
    """An alert that compares by baseline is silent for one without a limit, so none may be forgotten."""
    limits: dict[str, set[str]] = {}
    for rule in THRESHOLDS:
        if "baseline" in rule.labels:
            limits.setdefault(rule.name, set()).add(rule.labels["baseline"])
    assert len(limits) > 1
    assert all(known == {provenance.value for provenance in Provenance} for known in limits.values()), limits


def test_thresholds_are_written_once_and_all_are_read() -> None:
    """Numbers live in thresholds.yml alone, beside 0, 1 and the quantile; no threshold is left unread."""
    read: set[tuple[str, str]] = set()
    for rule in RULES:
        if rule in THRESHOLDS:
            assert re.fullmatch(r"vector\([0-9.]+\)", rule.written["expr"]), rule
            continue
        numbers = {0, 1} | (QUANTILE if rule.group == "stretto-share-bounds" else set())
        assert {literal.val for literal in nodes(rule.expr, promql.NumberLiteral)} <= numbers, rule
        for selector in nodes(rule.expr, promql.VectorSelector):
            read.add((selector.name, "".join(matched(selector, "severity"))))
    identities = [(rule.name, *sorted(rule.labels.items())) for rule in THRESHOLDS]
    assert len(identities) == len(set(identities))
    assert {(rule.name, rule.severity) for rule in THRESHOLDS} <= read
    for name in {rule.name for rule in THRESHOLDS if Label.BASELINE in rule.labels}:
        assert {r.labels[Label.BASELINE] for r in THRESHOLDS if r.name == name} == set(Provenance)


@each_alert
def test_alert_is_labelled_for_routing_and_inhibition(alert: Rule) -> None:
    """Severity is one of three, and the limits read are its own; figure is the metric the alert is about."""
    assert alert.name.startswith("Stretto")
    assert set(alert.labels) == {"severity", "figure"}
    assert alert.severity in {"critical", "warning", "info"}
    text = alert.written["expr"] + alert.notes["description"]
    assert set(re.findall(r"severity=[\"']([a-z]+)", text)) <= {alert.severity}
    figure = alert.labels["figure"]
    assert [
        name
        for name in series_in(alert.expr)
        if name in {figure, f"stretto_{figure}", f"stretto_{figure}_low", f"stretto_{figure}_high"}
        or name.endswith(recorded_for(figure))
    ]


@each_alert
def test_alert_is_told_within_a_minute(alert: Rule) -> None:
    """Scrape, recording, alert, `for` up to the next evaluation and Alertmanager's waits fit in a minute."""
    scrape, evaluation = (
        seconds(PROMETHEUS["global"][f"{name}_interval"]) for name in ("scrape", "evaluation")
    )
    routes = (ALERTMANAGER["route"], *ALERTMANAGER["route"]["routes"])
    # The wait of an escalation is its meaning, and it comes beside the first receiver.
    routes = tuple(route for route in routes if not route.get("continue"))
    waits = [seconds(r[key]) for r in routes for key in ("group_wait", "group_interval") if key in r]
    pending = seconds(alert.written["for"])
    assert scrape + 3 * evaluation + pending + max(waits) <= 60
    assert pending >= 2 * evaluation, "one odd scrape must not fire it"


@each_alert
def test_alert_outlasts_a_restart_of_the_service(alert: Rule) -> None:
    """Series vanish while the service restarts; only the alert about that may resolve at once."""
    if alert.name == "StrettoDown":
        assert "keep_firing_for" not in alert.written
    else:
        assert seconds(alert.written["keep_firing_for"]) >= 60


@each_alert
def test_alert_speaks(alert: Rule) -> None:
    """A static sentence as summary, a description from the value and labels that exist, and two links."""
    notes = alert.notes
    assert re.fullmatch(r"[A-Z][^{}]*[^.]\.", notes["summary"])
    assert {other.notes["summary"] for other in ALERTS if other.name == alert.name} == {notes["summary"]}
    used = set(re.findall(r"\$labels\.(\w+)", notes["description"]))
    assert used <= alert.series - set(alert.labels)
    assert used or "$value" in notes["description"]
    assert notes["description"].endswith(".")
    for query in re.findall(r'(?:query|printf) "([^"]+)"', notes["description"]):
        # Any baseline will do for the reading; a template fills in its own.
        assert labels_of(promql.parse(query.replace("%q", "'work'")), KNOWN) is not None
    assert notes["runbook_url"] == f"{PAGE}/runbook/{alert.name}"
    assert notes["dashboard_url"] == f"{PAGE}/"


@functools.cache
def promtool_cases() -> frozenset[tuple[str, str, bool]]:
    """Return the cases of the promtool tests, read once."""
    return frozenset(read_promtool_cases())


def read_promtool_cases() -> Iterator[tuple[str, str, bool]]:
    """Yield (alert, severity, fires) of each case; a silent one counts only where the alert's series flow."""
    for path in TEST_FILES:
        for test in yaml.safe_load(path.read_text())["tests"]:
            flowing = {series["series"].partition("{")[0] for series in test["input_series"]}
            for case in test.get("alert_rule_test", ()):
                fired = {expected["exp_labels"]["severity"] for expected in case.get("exp_alerts", ())}
                for alert in (alert for alert in ALERTS if alert.name == case["alertname"]):
                    if alert.severity in fired or scraped_by(alert.expr) <= flowing:
                        yield alert.name, alert.severity, alert.severity in fired


@each_alert
def test_alert_is_tested_to_fire_and_to_stay_silent(alert: Rule) -> None:
    """The promtool tests see each alert of each severity both ways."""
    cases = promtool_cases()
    step = f"add a case of {alert.name} to prometheus/tests"
    assert (alert.name, alert.severity, True) in cases, f"{step} that fires {alert.severity}"
    assert (alert.name, alert.severity, False) in cases, f"{step} that stays silent as {alert.severity}"


def test_promtool_tests_load_all_rules_in_order() -> None:
    """Rules and alerts are tested together; promtool runs a group that is not listed before all others."""
    assert TEST_FILES
    for path in TEST_FILES:
        written = yaml.safe_load(path.read_text())
        assert written["rule_files"] == ["../rules/*.yml"], path.name
        assert written["group_eval_order"] == list(dict.fromkeys(rule.group for rule in RULES)), path.name
        # What looks back a week would take minutes at the real interval.
        interval = "5h" if path.name.startswith("long_") else PROMETHEUS["global"]["evaluation_interval"]
        assert written["evaluation_interval"] == interval, path.name


def test_every_group_says_why() -> None:
    """A comment stands above each group of rules."""
    for path in RULE_FILES:
        lines = path.read_text().splitlines()
        heads = [number for number, line in enumerate(lines) if line.startswith("  - name:")]
        assert heads
        assert all(lines[number - 1].startswith("  # ") for number in heads), path.name


def test_alerts_about_one_figure_can_silence_each_other() -> None:
    """Alerts of one figure share the labels that inhibition compares; what they are about is among these."""
    (equal,) = {tuple(rule["equal"]) for rule in ALERTMANAGER["inhibit_rules"]}
    for rule in ALERTMANAGER["inhibit_rules"]:
        for side in ("source_matchers", "target_matchers"):
            assert 'figure =~ ".+"' in rule[side]
    compared: dict[str, set[frozenset[str]]] = {}
    for alert in ALERTS:
        subject = alert.series & SUBJECTS
        assert subject <= set(equal), f"{alert} would be silenced for another {subject}"
        compared.setdefault(alert.labels["figure"], set()).add(alert.series & set(equal))
    assert all(len(labels) == 1 for labels in compared.values()), compared


def test_every_severity_is_routed_to_the_service() -> None:
    """Each severity has its route, and each receiver tells the service of firing and resolved alerts."""
    assert [route["matchers"] for route in ALERTMANAGER["route"]["routes"]] == [
        [f'alertname = "{WATCHDOG}"'],
        *(
            [f'severity = "{severity}"']
            for severity in ("report", "notice", "critical", "critical", "warning", "info")
        ),
    ]
    silent = [each["name"] for each in ALERTMANAGER["receivers"] if "webhook_configs" not in each]
    assert silent == ["stretto-escalation", "stretto-report", "stretto-notice"]
    for receiver in ALERTMANAGER["receivers"][: -len(silent)]:
        assert receiver["webhook_configs"] == [
            {
                "url": f"http://{SHIPPED['stretto']}/api/notifications",
                "send_resolved": True,
                "http_config": {"authorization": {"credentials_file": SHIPPED_TOKEN}},
            }
        ]


def test_escalation_leaves_the_first_receiver_alone() -> None:
    """It comes before the route of critical alerts and goes on to it; each alert waits on its own."""
    routes = ALERTMANAGER["route"]["routes"]
    (place,) = [number for number, route in enumerate(routes) if route.get("continue")]
    escalation, following = routes[place : place + 2]

    assert (escalation["receiver"], following["receiver"]) == ("stretto-escalation", "stretto-critical")
    assert escalation["matchers"] == following["matchers"]
    assert (escalation["group_by"], escalation["group_wait"]) == (["..."], "15m")


def test_scrape_jobs_are_the_promised_ones() -> None:
    """The service has the job's name that rules and dashboards select; only the three servers are scraped."""
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in PROMETHEUS["scrape_configs"]}
    assert targets == {JOB: ["stretto:9464"], **{n: [SHIPPED[n]] for n in ("prometheus", "alertmanager")}}


def runbook_queries() -> list[str]:
    """Return all PromQL that the runbook offers for pasting."""
    fence = re.compile(r"^ *```promql\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
    return [query for path in sorted(RUNBOOK.glob("*.md")) for query in fence.findall(path.read_text())]


def test_ranges_span_four_scrapes() -> None:
    """Prometheus 3 leaves out a range's left edge: shorter ranges mean different things in 2 and 3."""
    slowest = max(seconds(job.get("scrape_interval", "5s")) for job in PROMETHEUS["scrape_configs"])
    for text in (*(rule.written["expr"] for rule in RULES), *runbook_queries()):
        for node in nodes(promql.parse(text), promql.MatrixSelector):
            assert node.range.total_seconds() >= 4 * slowest, text


def test_only_addresses_of_the_stack_are_written() -> None:
    """A person's links are on loopback; servers reach each other by names that a rendered copy replaces."""
    allowed = {"127.0.0.1:9464", "127.0.0.1:9090", "127.0.0.1:9093", *SHIPPED.values()}
    address = re.compile(r"//([^/\s>)`\"']+)|((?:\d+\.){3}\d+(?::\d+)?)|(localhost)")
    files = [
        f
        for folder in ("prometheus", "deploy/alertmanager", "docs/runbook")
        for f in (ROOT / folder).rglob("*.*")
        # No server reads the example: its addresses are those of a user's own receivers.
        if f.name != "receivers.example.yml"
    ]
    assert len(files) > len(NAMES)
    for path in files:
        assert {part for found in address.findall(path.read_text()) for part in found if part} <= allowed, (
            path
        )


@pytest.mark.parametrize("name", NAMES)
def test_alert_has_a_runbook_page(name: str) -> None:
    """The page exists, is titled like the alert, and has all parts in their order, none of them empty."""
    page = RUNBOOK / f"{name}.md"
    assert page.exists(), f"write {page} with the headings of the others"
    title, *parts = re.split(r"^(?=## )", page.read_text(), flags=re.MULTILINE)
    assert title.strip() == f"# {name}"
    assert tuple(part.splitlines()[0] for part in parts) == HEADINGS
    assert all(len(part.split()) > 10 for part in parts)


def test_runbook_index_lists_every_alert_with_its_severities() -> None:
    """The table is complete, and no page outlives its alert."""
    row = re.compile(r"^\| \[(\w+)\]\((\w+)\.md\) \| ([a-z, ]+) \|", re.MULTILINE)
    found = row.findall((RUNBOOK / "README.md").read_text())
    listed = {name: set(severities.split(", ")) for name, page, severities in found if name == page}
    severities: dict[str, set[str]] = {}
    for path in (*RULE_FILES, ROOT / "prometheus/fleet/alerts.yml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    severities.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    step = "bring the table of docs/runbook/README.md up to date"
    assert listed == severities, step
    assert {path.stem for path in RUNBOOK.glob("*.md")} == {"README", *severities}


def test_runbook_queries_can_be_pasted() -> None:
    """They parse and name only series and labels that exist, as do the series named in the text."""
    queries = runbook_queries()
    assert len(queries) >= len(NAMES)
    for query in queries:
        labels_of(promql.parse(query), KNOWN)
    for path in RUNBOOK.glob("*.md"):
        named = re.findall(r"`((?:stretto_|\w+:stretto_|stretto:)[a-z_:]+)`", path.read_text())
        assert set(named) <= set(KNOWN), path.name
