"""Format a session's KPIs and scores. Withheld figures are listed by their reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stretto.format.quantities import format_score_range

RATIOS = (
    "completion", "success", "retry", "recovery", "phase_success", "integration_success", "adoption",
)  # fmt: skip
WITHHELD = "withheld"


def format_kpis(kpis: Mapping[str, Any]) -> list[str]:
    """Return the KPIs of a session and its phases as lines; empty if there are none."""
    if not kpis:
        return []
    lines = [*_format_lines(kpis, "")]
    for phase in kpis.get("phases", ()):
        lines += _format_lines(phase, f"phase {phase['name']}: ", reasons=False)
    return [*lines, ""]


def _format_lines(kpis: Mapping[str, Any], prefix: str, *, reasons: bool = True) -> Iterator[str]:
    missing: dict[str, list[str]] = {}
    shares = _collect_known({name: kpis[name] for name in RATIOS}, "ratio", missing, _format_share)
    if kpis["conflicts"] is not None:
        shares.append(f"conflicts {kpis['conflicts']}")
    scores = _collect_known(
        {name: kpis[name] for name in ("efficiency", "collaboration")}, "score", missing, _format_of_100
    )
    scores += _collect_known({"overall quality": kpis["overall_quality"]}, "score", missing, _format_of_10)
    scores += _collect_known(_add_prefix("quality", kpis["quality"]), "score", missing, _format_of_10)
    scores += _collect_known(_add_prefix("agent", kpis["agents"]), "score", missing, _format_of_100)
    for title, values in (("outcomes", shares), ("scores", scores)):
        if values:
            yield f"{prefix}{title}: {', '.join(values)}"
    for reason, names in missing.items() if reasons else ():
        yield f"  {WITHHELD}: {', '.join(names)}: {reason}"


def _collect_known(
    table: Mapping[str, Mapping[str, Any]],
    key: str,
    missing: dict[str, list[str]],
    format_value: Callable[[Mapping[str, Any]], str],
) -> list[str]:
    known = []
    for name, figure in table.items():
        title = name.replace("_", " ")
        if figure.get("count") == 0 and figure[key] is not None:
            # Nothing failed, so nothing had to be recovered: true, but not worth a line.
            continue
        if figure[key] is None and figure.get("low") is None:
            # A reason ends with the score's parts in brackets; without them equal reasons share a line.
            reason = str(figure["reason"] or "not known").partition(" (")[0]
            missing.setdefault(reason, []).append(title)
        else:
            known.append(f"{title} {format_value(figure)}")
    return known


def _add_prefix(kind: str, table: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{kind} {name}": figure for name, figure in table.items()}


def _format_share(figure: Mapping[str, Any]) -> str:
    return f"{figure['ratio']:.0%} of {figure['count']}"


def _format_of_100(figure: Mapping[str, Any]) -> str:
    return f"{format_score_range(figure, 0)}/100"


def _format_of_10(figure: Mapping[str, Any]) -> str:
    return f"{format_score_range(figure, 1)}/10"
