"""Replace limits of the shipped ``thresholds.yml`` by those of the configuration.

Alerts compare with these series and dashboards draw them, so a changed limit holds everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    matches = [(_find_rules(rules, path), limit) for path, limit in limits.items()]
    # The most rules first, so that a limit for all baselines can be refined for one.
    for matched, limit in sorted(matches, key=lambda match: -len(match[0])):
        for rule in matched:
            rule["expr"] = f"vector({limit:.15g})"
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000))


def find_limits(limits: AlertLimits, name: str, shipped: Mapping[str, float]) -> dict[str, float]:
    """Return the limits of an alert by severity: the configured ones, else the shipped ones.

    Raises ConfigError if a number would hold for all severities.
    """
    if (name,) in limits and len(shipped) > 1:
        raise _make_severity_error(name, sorted(shipped))
    return {
        severity: limits.get((name, severity), limits.get((name,), limit))
        for severity, limit in shipped.items()
    }


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
        raise _make_severity_error(name, severities)
    return found


def _make_severity_error(name: str, severities: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"{name} has a limit for each of {', '.join(severities)}", where=_SECTION,
        hint=f"write {name}.{severities[0]} = NUMBER",
    )  # fmt: skip
