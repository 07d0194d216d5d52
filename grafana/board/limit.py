"""The limits of ``prometheus/rules/thresholds.yml``: no dashboard has a number of its own.

Lines are drawn from the published series and follow it at once. Colours of single values cannot be: Grafana
keeps them in the dashboard, so they are read from the rule file when the dashboards are built.
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
"""Grafana colours from a step upward, an alert fires beyond its limit: at a limit of 0 that differs."""


@dataclass(frozen=True, slots=True)
class Step:
    """From ``value`` upward a panel has ``colour``; None is the colour below every other step."""

    value: float | None
    colour: str
    limit: str = ""
    """The published limit that the number is; none for what is only counted."""


PLAIN_STEPS = (Step(None, PLAIN),)
"""For what is neither good nor bad."""

ANY = (Step(None, GOOD), Step(1, WARNING))
"""For counts of which 0 is the only good one."""

FALLING = (Step(None, WARNING), Step(0, GOOD))
"""For changes of what should not fall."""

RISING = (Step(None, GOOD), Step(BEYOND_NONE, WARNING))
"""For changes of what should not rise."""


@cache
def read_limits(path: Path = RULES) -> dict[tuple[str, str, str], float]:
    """Return (name, severity, baseline) → number of every limit, "" for a label that it does not have.

    Raises StrettoError where a rule is not a constant.
    """
    found = {}
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            constant = re.fullmatch(r"vector\(([-0-9.e]+)\)", rule["expr"].strip())
            if constant is None:
                raise StrettoError(
                    f"{rule['record']} is no constant", where=str(path), hint="write vector(number)"
                )
            labels = rule.get("labels", {})
            key = rule["record"].removeprefix(LEVEL), labels.get("severity", ""), labels.get("baseline", "")
            found[key] = float(constant[1])
    return found


def make_steps(
    name: str,
    *,
    low: bool = False,
    baseline: str = "",
    sign: int = 1,
    of: tuple[str, ...] = SEVERITIES,
    path: Path = RULES,
) -> tuple[Step, ...]:
    """Return the colours that limits give to a value: bad above them, or below where ``low``.

    ``of`` names the severities whose limits count. ``sign`` -1 is for a value that the limit is taken off,
    such as what is left of a target. Raises KeyError for a limit that is not published.
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
    """Return the published series of a limit. Raises KeyError where there is none."""
    _ = read_limits()[name, severity, baseline]
    labels = f'severity="{severity}"' + (f',baseline="{baseline}"' if baseline else "")
    return f"{LEVEL}{name}{{{labels}}}"
