"""Limits of alerts by the configuration: one number changes the rule, and what is unknown is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stretto.cli.main import main
from stretto.config.alert_limit_tables import read_alert_limits
from stretto.config.loading import load_config
from stretto.errors import ConfigError
from stretto.operations.advice_on_low_judgements import QUALITY_LIMITS, SYNTHESIS_LIMITS
from stretto.operations.alert_answers import EFFICIENCY_LIMITS, RESPONSE_LIMITS
from stretto.servers.alert_limits import AlertLimits, find_limits, replace_limits
from stretto.servers.export_files import BUILDERS, ExportSettings, ShippedFiles
from stretto.servers.supervisor import find_shipped_folder, render_configuration
from stretto.state.lock import StateLock

SHIPPED = (find_shipped_folder("prometheus") / "rules" / "thresholds.yml").read_text(encoding="utf-8")


def read_limits_of(text: str) -> dict[tuple[str, ...], float]:
    """Return the limits of a rules file by name and labels."""
    rules: list[dict[str, Any]] = [
        rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
    ]
    return {
        (rule["record"].removeprefix("stretto:threshold:"), *rule.get("labels", {}).values()): float(
            rule["expr"].removeprefix("vector(").removesuffix(")")
        )
        for rule in rules
    }


def test_a_limit_is_replaced_and_no_other() -> None:
    """One severity of two, all baselines with one exception, and a least number."""
    limits: AlertLimits = {
        ("success_ratio", "warning"): 0.85,
        ("improvement_ratio",): 0.4,
        ("improvement_ratio", "work"): 0.2,
        ("min_tasks",): 8,
    }
    before, after = read_limits_of(SHIPPED), read_limits_of(replace_limits(SHIPPED, limits))
    changed = {key: value for key, value in after.items() if before[key] != value}
    assert changed == {
        ("success_ratio", "warning"): 0.85,
        ("improvement_ratio", "critical", "recorded"): 0.4,
        ("improvement_ratio", "critical", "measured"): 0.4,
        ("improvement_ratio", "critical", "set"): 0.4,
        ("improvement_ratio", "critical", "configured"): 0.4,
        ("improvement_ratio", "critical", "work"): 0.2,
        ("min_tasks",): 8,
    }
    assert replace_limits(SHIPPED, {}) is SHIPPED


@pytest.mark.parametrize(
    ("path", "problem", "hint"),
    [
        (("overhead_rato",), "there is no limit overhead_rato", "overhead_ratio"),
        (("success_ratio", "info"), "success_ratio has no limit for info", "critical, warning"),
        (("success_ratio",), "a limit for each of critical, warning", "success_ratio.critical"),
        (("min_tasks", "warning"), "min_tasks has no limit for warning", "min_tasks = NUMBER"),
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused(path: tuple[str, ...], problem: str, hint: str) -> None:
    """The error says which name or label, and what to write."""
    with pytest.raises(ConfigError, match=problem) as refused:
        replace_limits(SHIPPED, {path: 1.0})
    assert hint in refused.value.hint


@pytest.mark.parametrize("value", ["much", True, float("nan"), None])
def test_a_limit_is_a_number(value: object) -> None:
    """A text, a switch or no number is refused with its place in the file."""
    with pytest.raises(ConfigError, match=r"thresholds\.waste_ratio\.warning must be a number"):
        read_alert_limits({"waste_ratio": {"warning": value}}, "config.toml")
    with pytest.raises(ConfigError, match="must be a table"):
        read_alert_limits(value, "config.toml")


def test_the_file_reaches_the_servers_and_the_exports(tmp_path: Path) -> None:
    """A number in config.toml stands in the rules that Prometheus reads, here and elsewhere."""
    (tmp_path / "config.toml").write_text("[thresholds.efficiency_score]\nwarning = 70\n", encoding="utf-8")
    config = load_config({}, tmp_path, state=str(tmp_path))
    assert config.alert_limits == {("efficiency_score", "warning"): 70}
    folders = (find_shipped_folder(name) for name in ("prometheus", "alertmanager", "dashboards"))
    settings = ExportSettings("stretto", "http://127.0.0.1:9464", 5, limits=config.alert_limits)
    exported = BUILDERS["prometheus"](ShippedFiles(*folders), settings)["rules/thresholds.yml"]
    target = tmp_path / "rendered"
    render_configuration(
        find_shipped_folder("prometheus"), target, {"stretto": "127.0.0.1:1"}, tmp_path / "token",
        tmp_path / "password", limits=config.alert_limits,
    )  # fmt: skip
    for text in (exported, (target / "rules" / "thresholds.yml").read_text(encoding="utf-8")):
        assert read_limits_of(text)["efficiency_score", "warning"] == 70
        assert read_limits_of(text)["efficiency_score", "critical"] == 65


def test_the_documented_example_gives_its_limits(tmp_path: Path) -> None:
    """Most rules first: the number of one baseline refines that of its severity, in either order."""
    page = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
    block = page.partition("## Limits of alerts")[2].partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "config.toml").write_text(block, encoding="utf-8")
    limits = load_config({}, tmp_path, state=str(tmp_path)).alert_limits
    for ordered in (limits, dict(reversed([*limits.items()]))):
        after = read_limits_of(replace_limits(SHIPPED, ordered))
        assert after["success_ratio", "warning"] == 0.85
        improvement = {key[-1]: limit for key, limit in after.items() if key[0] == "improvement_ratio"}
        assert improvement == {"recorded": 0.4, "measured": 0.4, "set": 0.4, "configured": 0.4, "work": 0.2}


@pytest.mark.parametrize(
    ("table", "problem"),
    [("overhead_rato = 1", "no limit overhead_rato"), ("efficiency_score = 70", "a limit for each of")],
)
def test_up_refuses_what_is_no_limit_without_servers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, problem: str
) -> None:
    """No server reads the rules, and yet the number would be without effect."""
    (tmp_path / "config.toml").write_text(f"[thresholds]\n{table}\n", encoding="utf-8")
    with StateLock(tmp_path) as lock:
        # A service that came as far as the lock would be refused by it.
        lock.release()
        lock.acquire("127.0.0.1:1")
        assert main(["--state", str(tmp_path), "up", "--no-servers"]) == ConfigError.exit_code
    assert problem in capsys.readouterr().err


def test_operations_have_the_limits_of_the_alerts() -> None:
    """The shipped ones are those of the rules; a configured one goes first."""
    shipped = read_limits_of(SHIPPED)
    for name, limits in (
        ("efficiency_score", EFFICIENCY_LIMITS),
        ("response_seconds", RESPONSE_LIMITS),
        ("quality_score", QUALITY_LIMITS),
        ("synthesis", SYNTHESIS_LIMITS),
    ):
        assert {severity: shipped[name, severity] for severity in limits} == limits
    changed = find_limits({("efficiency_score", "warning"): 70}, "efficiency_score", EFFICIENCY_LIMITS)
    assert changed == {"critical": 65, "warning": 70}
    with pytest.raises(ConfigError, match="a limit for each of critical, warning"):
        find_limits({("efficiency_score",): 70}, "efficiency_score", EFFICIENCY_LIMITS)
