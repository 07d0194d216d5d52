"""Read the limits of ``prometheus/rules/thresholds.yml``, so that dashboards repeat no number.

Limit lines query the published series. Grafana stores the colours of single values in the dashboard, so they
are read from the rule file when the dashboards are built.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from stretto.errors import StrettoError

RULES = Path(__file__).parents[2] / "prometheus" / "rules" / "thresholds.yml"
LEVEL = "stretto:threshold:"
SEVERITIES = ("warning", "critical")
INFO = ("info",)

GOOD, WARNING, CRITICAL, PLAIN = "green", "orange", "red", "text"
COLOURS = {"info": "blue", "warning": WARNING, "critical": CRITICAL}

BEYOND_NONE = 1e-9
"""Step for a limit of 0: Grafana colours from a step upward, but an alert fires only beyond its limit."""


@dataclass(frozen=True, slots=True)
class Step:
    """From ``value`` upward a panel has ``colour``; None is the colour below every other step."""

    value: float | None
    colour: str
    limit: str = ""
    """Name of the published limit; empty for a fixed step."""


PLAIN_STEPS = (Step(None, PLAIN),)
"""For values that are neither good nor bad."""

ANY = (Step(None, GOOD), Step(1, WARNING))
"""For counts that should be 0."""

FALLING = (Step(None, WARNING), Step(0, GOOD))
"""For changes of a value that should not fall."""

RISING = (Step(None, GOOD), Step(BEYOND_NONE, WARNING))
"""For changes of a value that should not rise."""


@cache
def read_limits(path: Path = RULES) -> dict[tuple[str, str, str], float]:
    """Return (name, severity, baseline) → number of every limit; a missing label is "".

    Raises StrettoError if a rule is not a constant.
    """
    limits = {}
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            constant = re.fullmatch(r"vector\(([-0-9.e]+)\)", rule["expr"].strip())
            if constant is None:
                raise StrettoError(
                    f"{rule['record']} is not a constant", where=str(path), hint="write vector(number)"
                )
            labels = rule.get("labels", {})
            key = rule["record"].removeprefix(LEVEL), labels.get("severity", ""), labels.get("baseline", "")
            limits[key] = float(constant[1])
    return limits


def make_steps(
    name: str,
    *,
    low: bool = False,
    baseline: str = "",
    sign: int = 1,
    of: tuple[str, ...] = SEVERITIES,
    path: Path = RULES,
) -> tuple[Step, ...]:
    """Return the colour steps of a value by its limits: bad above them, or below if ``low``.

    ``of`` names the severities used. ``sign`` -1 is for a value from which the limit was subtracted, such as
    the distance to a target. Raises KeyError if no limit is published. Example: limits of 20 (warning) and 40
    (critical) give green, orange from 20 and red from 40.
    """
    numbers = {
        severity: sign * read_limits(path)[name, severity, baseline]
        for severity in of
        if (name, severity, baseline) in read_limits(path)
    }
    if not numbers:
        raise KeyError(f"no limit is published as {LEVEL}{name} {baseline}".rstrip())
    if not low:
        return Step(None, GOOD), *(
            Step(number or BEYOND_NONE, COLOURS[severity], name) for severity, number in numbers.items()
        )
    # From below: beyond critical, beyond warning only, good.
    rising = list(reversed(numbers))
    above = [COLOURS[severity] for severity in rising[1:]] + [GOOD]
    return Step(None, COLOURS[rising[0]]), *(
        Step(numbers[severity], colour, name) for severity, colour in zip(rising, above, strict=True)
    )


def select_limit(name: str, severity: str, baseline: str = "") -> str:
    """Return the selector of a published limit. Raises KeyError if there is none."""
    _ = read_limits()[name, severity, baseline]
    labels = f'severity="{severity}"' + (f',baseline="{baseline}"' if baseline else "")
    return f"{LEVEL}{name}{{{labels}}}"
