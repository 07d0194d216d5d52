"""The servers' own tools read what ships: promtool the rules and their tests, amtool the routes."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from stretto.servers.export_files import BUILDERS, ExportSettings, ShippedFiles
from stretto.servers.supervisor import SHIPPED, SHIPPED_TOKEN, render_configuration
from tests.test_openmetrics_history import written

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "prometheus/rules"
TESTS = sorted([*(ROOT / "prometheus/tests").glob("*.yml"), *(ROOT / "prometheus/fleet/tests").glob("*.yml")])
WORDS = re.compile(r"[\w:]+")
"""Names of series and alerts, and other words."""
ALERTMANAGER = ROOT / "deploy/alertmanager/alertmanager.yml"


def program(name: str) -> str:
    """Return a tool's path; skip where it is not installed, unless the run may not skip."""
    found = shutil.which(name)
    if found is not None:
        return found
    if os.environ.get("STRETTO_REQUIRE_SERVERS") == "1":
        pytest.fail(f"{name} must be installed in this run")
    pytest.skip(f"{name} is not installed: make servers")


@pytest.fixture(params=["promtool", "promtool3"])
def promtool(request: pytest.FixtureRequest) -> str:
    """Give the installed promtool, and the one of Prometheus 3 that STRETTO_PROMTOOL3 names."""
    if request.param == "promtool":
        return program("promtool")
    named = os.environ.get("STRETTO_PROMTOOL3")
    if not named:
        pytest.skip("STRETTO_PROMTOOL3 names no promtool of Prometheus 3")
    if shutil.which(named) is None:
        pytest.fail(f"STRETTO_PROMTOOL3 names no program: {named}")
    version = run(named, "--version")
    assert "version 3." in version.stdout + version.stderr
    return named


@pytest.fixture
def amtool() -> str:
    """Give the installed amtool."""
    return program("amtool")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end; what it says is kept."""
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        # Go collects garbage less often: a quarter less time for some hundred megabytes.
        env={**os.environ, "GOGC": "400"},
    )


def accepted(*command: str | Path) -> str:
    """Run a tool that must succeed, and return what it says."""
    ended = run(*command)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def loaded(path: Path) -> Any:
    """Return a YAML file's content."""
    return yaml.safe_load(path.read_text())


@functools.cache
def alerts() -> list[dict[str, Any]]:
    """Return every alert as written, read once."""
    groups = [group for path in sorted(RULES.glob("alerts*.yml")) for group in loaded(path)["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def test_prometheus_accepts_its_configuration(promtool: str, tmp_path: Path) -> None:
    """The copy that the service runs is valid, and finds the rule files and the token."""
    (tmp_path / "token").touch()
    render_configuration(
        ROOT / "prometheus", tmp_path / "copy", SHIPPED, tmp_path / "token", tmp_path / "password"
    )

    said = accepted(
        promtool, "check", "config", "--lint=all", "--lint-fatal", tmp_path / "copy/prometheus.yml"
    )
    assert f"{len(list(RULES.glob('*.yml')))} rule files found" in said


def test_prometheus_accepts_what_the_compose_file_mounts(promtool: str) -> None:
    """The file in the repository is valid, but for the secrets, which only the container has."""
    check = (promtool, "check", "config", "--lint=all", "--lint-fatal")
    path = ROOT / "prometheus/prometheus.yml"
    accepted(*check, "--syntax-only", path)
    assert SHIPPED_TOKEN in run(*check, path).stderr


@pytest.mark.parametrize(
    "path",
    [*sorted(RULES.glob("*.yml")), *sorted((ROOT / "prometheus/fleet").glob("*.yml"))],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_prometheus_accepts_the_rules(promtool: str, path: Path) -> None:
    """Every rule of the file parses, and no two are the same."""
    count = sum(len(group["rules"]) for group in loaded(path)["groups"])
    assert f"{count} rules found" in accepted(promtool, "check", "rules", "--lint=all", "--lint-fatal", path)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.stem))
def test_rules_do_what_their_tests_say(promtool: str, path: Path) -> None:
    """Every alert fires and stays silent where it should, in the right words; every ratio is right."""
    assert "SUCCESS" in accepted(promtool, "test", "rules", path)


def thresholds() -> list[tuple[str, str]]:
    """Return (series, its rule's text) of each threshold."""
    text = (RULES / "thresholds.yml").read_text()
    rules = re.split(r"^(?=      - record: )", text, flags=re.MULTILINE)[1:]
    return [(rule.split()[2], rule) for rule in rules]


def moved(rule: str, *, up: bool) -> str:
    """Return a threshold's rule with its number off by one hundredth; by one where it is a count or 0."""
    number = float(re.findall(r"vector\(([0-9.]+)\)", rule)[0])
    by_one = ":min_" in rule or not number
    other = number + (1 if up else -1) * (1 if by_one else number / 100)
    return rule.replace(f"vector({number:.12g})", f"vector({other:.12g})")


def find_readers(series: str) -> frozenset[str]:
    """Return the names of the alerts that compare with a threshold."""
    return frozenset(alert["alert"] for alert in alerts() if series in re.findall(r"[\w:]+", alert["expr"]))


def list_thresholds(*, minimums: bool) -> list[tuple[str, str]]:
    """Return (series, its rule's text) of each minimum, or of each limit."""
    return [(series, rule) for series, rule in thresholds() if (":min_" in series) == minimums]


class WrittenRule(NamedTuple):
    """A rule with its group, the series or alert that it makes, and all words in it."""

    group: str
    rule: dict[str, Any]
    name: str
    words: frozenset[str]


def read_written_rules(text: str) -> list[WrittenRule]:
    """Return the rules of a rule file's text, in their order."""
    return [
        WrittenRule(
            group["name"], rule, rule.get("record") or rule["alert"], frozenset(WORDS.findall(str(rule)))
        )
        for group in yaml.load(text, yaml.CSafeLoader)["groups"]
        for rule in group["rules"]
    ]


def keep_needed_rules(rules: list[WrittenRule], case: str) -> list[WrittenRule]:
    """Return only the rules on which the series and alerts of a case depend, directly or by other rules."""
    known, before = {*WORDS.findall(case)}, -1
    while len(known) > before:
        before = len(known)
        known = known.union(*(each.words for each in rules if each.name in known))
    return [each for each in rules if each.name in known]


def write_rule_file(path: Path, rules: list[WrittenRule]) -> None:
    """Write rules in their groups."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for each in rules:
        groups.setdefault(each.group, []).append(each.rule)
    content = {"groups": [{"name": name, "rules": rules_of} for name, rules_of in groups.items()]}
    path.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper))


def run_cases(folder: Path, thresholds_text: str, names: frozenset[str]) -> str:
    """Run the cases of some alerts with the given thresholds, and return what promtool says.

    A case runs beside the rules that it needs: with all of them the same takes ten times as long.
    """
    others = [path for path in sorted(RULES.glob("*.yml")) if path.name != "thresholds.yml"]
    texts = [thresholds_text, *(path.read_text() for path in others)]
    rules = [rule for text in texts for rule in read_written_rules(text)]
    tests: list[Path] = []
    for test in TESTS:
        head, *cases = re.split(r"^(?=  - name: )", test.read_text(), flags=re.MULTILINE)
        for case in cases:
            if names & {*re.findall(r"alertname: (\w+)", case)}:
                place = folder / str(len(tests))
                (place / "rules").mkdir(parents=True)
                (place / "tests").mkdir()
                write_rule_file(place / "rules/needed.yml", keep_needed_rules(rules, case))
                tests.append(place / "tests/case.yml")
                tests[-1].write_text(head + case)
    ended = run(program("promtool"), "test", "rules", *tests)
    return ended.stdout + ended.stderr


@functools.cache
def failures(folder: Path, *, minimums: bool, up: bool) -> list[str]:
    """Return what promtool says of each case that fails where all limits, or all minimums, have moved."""
    text = (RULES / "thresholds.yml").read_text()
    readers: set[str] = set()
    for series, rule in list_thresholds(minimums=minimums):
        assert moved(rule, up=up) != rule, series
        text = text.replace(rule, moved(rule, up=up))
        readers |= find_readers(series)
    # Only cases of their readers can notice.
    said = run_cases(folder / f"{minimums}-{up}", text, frozenset(readers))
    return re.split(r"^ +name: ", said, flags=re.MULTILINE)[1:]


def test_a_case_passes_beside_the_rules_that_it_needs(tmp_path: Path) -> None:
    """Where a needed rule was left out, a limit that moved would seem to be noticed."""
    said = run_cases(
        tmp_path, (RULES / "thresholds.yml").read_text(), frozenset(alert["alert"] for alert in alerts())
    )
    assert "SUCCESS" in said
    assert "FAILED" not in said


@pytest.mark.parametrize("up", [pytest.param(False, id="down"), pytest.param(True, id="up")])
@pytest.mark.parametrize(
    ("series", "rule"), thresholds(), ids=lambda text: re.sub(r"\W+", "-", str(text)).strip("-")[-60:]
)
def test_a_limit_that_moves_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, series: str, rule: str, *, up: bool
) -> None:
    """The rules' tests fail when a limit is off by one hundredth, or a minimum or a limit of 0 by one."""
    folder = tmp_path_factory.getbasetemp() / "moved"
    found = failures(folder, minimums=":min_" in series, up=up)
    severity = "".join(re.findall(r"severity: (\w+)", rule))
    readers = find_readers(series)
    assert readers
    assert [
        case
        for case in found
        if any(f"alertname: {name}," in case for name in readers) and f'severity="{severity}' in case
    ]


def test_alertmanager_accepts_its_configuration(amtool: str) -> None:
    """The configuration is valid and has the receivers and inhibitions that are written."""
    said = accepted(amtool, "check-config", ALERTMANAGER)
    written = loaded(ALERTMANAGER)
    assert f"{len(written['receivers'])} receivers" in said
    assert f"{len(written['inhibit_rules'])} inhibit rules" in said


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        (alert["alert"], alert["labels"]["severity"])
        for alert in alerts()
        if alert["alert"] != "StrettoWatchdog"
    ]
    + [("AnAlertOfYourOwn", "info")],
)
def test_alert_takes_the_route_of_its_severity(amtool: str, name: str, severity: str) -> None:
    """Each alert reaches the receiver of its severity, a critical one the escalation too, and no other."""
    route = (amtool, "config", "routes", "test", "--config.file", ALERTMANAGER)
    receivers = f"stretto-{severity}"
    if severity == "critical":
        receivers = f"stretto-escalation,{receivers}"
    assert accepted(*route, f"--verify.receivers={receivers}", f"alertname={name}", f"severity={severity}")


def test_an_alert_without_severity_is_told_too(amtool: str) -> None:
    """Whatever else is sent to this Alertmanager reaches the service as a warning."""
    route = (amtool, "config", "routes", "test", "--config.file", ALERTMANAGER)
    assert accepted(*route, "alertname=AnAlertOfYourOwn").split()[0] == "stretto-warning"


@pytest.mark.parametrize("interval", [15, 30, 60])
def test_exported_configurations_are_accepted(
    promtool: str, amtool: str, interval: int, tmp_path: Path
) -> None:
    """Exports for another job and interval load in Prometheus, and the routes in Alertmanager."""
    settings = ExportSettings("agents", "https://stretto.example.org", interval)
    shipped = ShippedFiles(ROOT / "prometheus", ALERTMANAGER.parent, ROOT / "grafana/dashboards")
    for kind in ("prometheus", "alertmanager"):
        for name, text in BUILDERS[kind](shipped, settings).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for checked in (
        run(promtool, "check", "config", tmp_path / "prometheus.yml"),
        run(amtool, "check-config", tmp_path / "alertmanager.yml"),
    ):
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_backfill_is_taken(promtool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prometheus's own tool turns the past of the recordings into blocks without a complaint."""
    past, blocks = written(tmp_path, capsys), tmp_path / "blocks"
    accepted(promtool, "tsdb", "create-blocks-from", "--max-block-duration=744h", "openmetrics", past, blocks)
    assert list(blocks.glob("*/meta.json"))
