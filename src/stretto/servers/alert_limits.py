"""Replace limits of the shipped ``thresholds.yml`` by those of the configuration.

Alerts compare with these series and dashboards draw them, so a changed limit holds everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from stretto.errors import ConfigError, find_nearest_word

FILE = "thresholds.yml"
RECORD = "stretto:threshold:"

AlertLimits = Mapping[tuple[str, ...], float]
"""(Name of a limit, then values of its labels) → the limit: ("success_ratio", "warning") → 0.85."""

_SECTION = "[thresholds]"


def replace_limits(text: str, limits: AlertLimits) -> str:
    """Return the rules of ``thresholds.yml`` with other limits; the text itself if none is given.

    A limit without labels holds for all rows of its name. Raises ConfigError if a name or label is not
    known, or if a number would hold for a warning and for a critical alert.
    """
    if not limits:
        return text
    document = yaml.safe_load(text)
    rules: list[dict[str, Any]] = [rule for group in document["groups"] for rule in group["rules"]]
    # The fewest labels first, so that a limit for all baselines can be refined for one.
    for path, limit in sorted(limits.items(), key=lambda item: len(item[0])):
        for rule in _find_rules(rules, path):
            rule["expr"] = f"vector({limit:.15g})"
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000))


def find_limit(limits: AlertLimits, name: str, severity: str, shipped: float) -> float:
    """Return the configured limit of an alert of a severity, else the shipped one."""
    return limits.get((name, severity), limits.get((name,), shipped))


def _find_rules(rules: list[dict[str, Any]], path: tuple[str, ...]) -> list[dict[str, Any]]:
    name, *labels = path
    named = [rule for rule in rules if rule["record"] == f"{RECORD}{name}"]
    if not named:
        known = sorted({rule["record"].removeprefix(RECORD) for rule in rules})
        nearest = find_nearest_word(name, known)
        raise ConfigError(
            f"there is no limit {name}", where=_SECTION,
            hint=f"did you mean {nearest}?" if nearest else f"known are {', '.join(known)}",
        )  # fmt: skip
    found = [rule for rule in named if {*labels} <= {*rule.get("labels", {}).values()}]
    if not found:
        known = sorted({value for rule in named for value in rule.get("labels", {}).values()})
        raise ConfigError(
            f"{name} has no limit for {', '.join(labels)}", where=_SECTION,
            hint=f"known are {', '.join(known)}" if known else f"write {name} = NUMBER",
        )  # fmt: skip
    severities = sorted({rule.get("labels", {}).get("severity", "") for rule in found})
    if len(severities) > 1:
        raise ConfigError(
            f"{name} has a limit for each of {', '.join(severities)}", where=_SECTION,
            hint=f"write {name}.{severities[0]} = NUMBER",
        )  # fmt: skip
    return found
