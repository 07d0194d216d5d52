from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from grafana.board.limit import BEYOND_NONE, INFO, RULES, Step, make_steps, read_limits, select_limit

from stretto.errors import StrettoError


def drawn(steps: tuple[Step, ...]) -> list[tuple[float | None, str]]:
    """Return what Grafana gets of some steps."""
    return [(step.value, step.colour) for step in steps]


def test_limits_are_those_that_prometheus_publishes() -> None:
    """Every threshold of the rule file is known by name, severity and baseline, with its number."""
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert len(read_limits()) == len(rules)
    assert read_limits()["success_ratio", "warning", ""] == 0.9


def test_high_is_bad_from_the_warning_upward() -> None:
    """Green, then orange from the warning limit, then red from the critical one."""
    assert drawn(make_steps("tool_duration_seconds")) == [(None, "green"), (20, "orange"), (40, "red")]
    assert drawn(make_steps("agent_error_ratio")) == [(None, "green"), (0.25, "red")]
    assert {step.limit for step in make_steps("agent_error_ratio")[1:]} == {"agent_error_ratio"}


def test_low_is_bad_below_the_limits() -> None:
    """Red below the critical limit, orange up to the warning one, then green."""
    assert drawn(make_steps("success_ratio", low=True)) == [(None, "red"), (0.8, "orange"), (0.9, "green")]
    shortfall = make_steps("improvement_shortfall_ratio", low=True, baseline="work", sign=-1)
    assert drawn(shortfall) == [(None, "orange"), (-0.2, "green")]


def test_a_limit_of_none_colours_from_the_first_one() -> None:
    """Where none is allowed, none is good: Grafana would colour the limit itself."""
    assert drawn(make_steps("conflicts")) == [(None, "green"), (BEYOND_NONE, "orange")]


def test_news_is_blue() -> None:
    """A limit of severity info has another colour than a bad value."""
    assert drawn(make_steps("fanouts", of=INFO)) == [(None, "green"), (20, "blue")]
    assert drawn(make_steps("quality_score", low=True)) == [(None, "red"), (8, "green")]


def test_a_limit_that_moves_moves_the_colours(tmp_path: Path) -> None:
    """The numbers are read from the file, so that they live nowhere else."""
    moved = tmp_path / "thresholds.yml"
    moved.write_text(RULES.read_text().replace("vector(20)", "vector(33)"))
    assert drawn(make_steps("tool_duration_seconds", path=moved))[1] == (33, "orange")


def test_a_line_is_drawn_from_the_published_series() -> None:
    """It is the series that the alert compares with."""
    assert select_limit("success_ratio", "critical") == 'stretto:threshold:success_ratio{severity="critical"}'
    assert select_limit("improvement_ratio", "critical", "work").endswith(
        '{severity="critical",baseline="work"}'
    )


def test_a_limit_that_is_not_published_is_refused() -> None:
    """Neither a line nor a colour can be made up."""
    with pytest.raises(KeyError):
        make_steps("made_up")
    with pytest.raises(KeyError):
        select_limit("success_ratio", "info")


def test_a_limit_that_is_no_constant_is_refused(tmp_path: Path) -> None:
    """A colour needs a constant; the error names the place and the fix."""
    odd = tmp_path / "thresholds.yml"
    odd.write_text("groups: [{name: x, rules: [{record: 'stretto:threshold:x', expr: up}]}]")
    with pytest.raises(StrettoError, match="is not a constant") as error:
        read_limits(odd)
    assert error.value.hint == "write vector(number)"
