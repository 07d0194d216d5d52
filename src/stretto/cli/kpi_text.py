"""A session's KPIs and scores in a few lines; what is withheld stands with its reason, once for all alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

RATIOS = (
    "completion", "success", "retry", "recovery", "phase_success", "integration_success", "adoption",
)  # fmt: skip
WITHHELD = "withheld"


def format_kpis(kpis: Mapping[str, Any]) -> list[str]:
    """Return ``kpis_document`` and its phases as lines; nothing where there are none."""
    if not kpis:
        return []
    lines = [*_format_lines(kpis, "")]
    for phase in kpis.get("phases", ()):
        lines += _format_lines(phase, f"phase {phase['name']}: ", reasons=False)
    return [*lines, ""]


def _format_lines(kpis: Mapping[str, Any], of: str, *, reasons: bool = True) -> Iterator[str]:
    missing: dict[str, list[str]] = {}
    shares = _collect_known({name: kpis[name] for name in RATIOS}, "ratio", missing, _format_share)
    if kpis["conflicts"] is not None:
        shares.append(f"conflicts {kpis['conflicts']}")
    scores = _collect_known(
        {name: kpis[name] for name in ("efficiency", "collaboration")}, "score", missing, _format_of_100
    )
    scores += _collect_known(_add_prefix("quality", kpis["quality"]), "score", missing, _format_of_10)
    scores += _collect_known(_add_prefix("agent", kpis["agents"]), "score", missing, _format_of_100)
    for title, told in (("outcomes", shares), ("scores", scores)):
        if told:
            yield f"{of}{title}: {', '.join(told)}"
    for reason, names in missing.items() if reasons else ():
        yield f"  {WITHHELD}: {', '.join(names)}: {reason}"


def _collect_known(
    table: Mapping[str, Mapping[str, Any]],
    key: str,
    missing: dict[str, list[str]],
    say: Callable[[Mapping[str, Any]], str],
) -> list[str]:
    told = []
    for name, found in table.items():
        title = name.replace("_", " ")
        if found[key] is None:
            # The parts of a score stand in brackets behind the count of those that are known.
            reason = str(found["reason"] or "not known").partition(" (")[0]
            missing.setdefault(reason, []).append(title)
        else:
            told.append(f"{title} {say(found)}")
    return told


def _add_prefix(kind: str, table: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{kind} {name}": found for name, found in table.items()}


def _format_share(found: Mapping[str, Any]) -> str:
    return f"{found['ratio']:.0%} of {found['count']}"


def _format_of_100(found: Mapping[str, Any]) -> str:
    return f"{found['score']:.0f}/100{_format_coverage(found)}"


def _format_of_10(found: Mapping[str, Any]) -> str:
    return f"{found['score']:.1f}/10{_format_coverage(found)}"


def _format_coverage(found: Mapping[str, Any]) -> str:
    return (
        ""
        if found["coverage"] is None or found["coverage"] >= 1
        else f" ({found['coverage']:.0%} of it known)"
    )
