"""Print the envelope of an operation as a page: sentences first, then what was measured, then what to do.

The shape of each part decides how it looks: rows become a table, values lines of name and value, numbers
carry the unit that their name ends with, and a missing value stands with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from stretto.cli.text_tables import ABSENT, render_text
from stretto.format import quantities
from stretto.format.rfc3339 import parse_rfc3339
from stretto.operations.envelope import SUCCESS

MOST_ROWS = 12
"""Rows of a table; ``--json`` has all."""

MOST_COLUMNS = 8
LONGEST_TEXT = 60
"""Characters of a text in a table."""
LONGEST_REASON = 110

COUNTED_PARTS = frozenset({"checks"})
"""Parts whose numbers are counts, though a name in them is also that of a share: checks by verdict."""

LEAST_P = 0.001
"""The least chance that is printed as a number."""

INDENT = "  "
HIDDEN = frozenset({"absent", "as_of", "evidence", "details", "decisions", "runs", "summary"})
"""Parts that programs read: a page has them in its sentences and reasons."""

HIDDEN_COLUMNS = HIDDEN | {"recording", "source", "project", "worktree", "pattern", "start", "last"}
"""Columns of sessions that their title has in it."""

IN_SECONDS = frozenset({"wall_time", "lost", "critical_path_by_agent", "agent", "task_type", "tool"})
"""Parts whose numbers are seconds though no name says so; the last three are those of a critical path."""

_UNITS = ("_seconds", "_usd", "_bytes", "_ratio")

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")
_SHARES = ("share", "ratio", "improvement", "efficiency", "balance", "concurrency", "delivery", "similarity",
           "percentile", "growth", "month", "rank")  # fmt: skip

OF_ROW = frozenset({"now", "before", "difference", "value", "threshold"})
"""Columns whose unit is that of what the row names."""

UNITS_OF_ROWS = {
    "success": "success_share",
    "response_time_spike": "seconds",
    "optimisation_opportunity": "share",
}
"""What a row names → a name with the unit of its numbers, where it has none."""

BESIDE_SHARE = frozenset({"low", "high", "raw_ratio", "difference", "efficiency_before"})
"""Numbers that have the unit of the share or ratio that they stand beside."""

_EFFECTS = {"elapsed": quantities.format_speedup, "success": quantities.format_percent}
"""Comparisons of two groups of sessions: a ratio of active time, and a difference of shares."""


def format_envelope(envelope: Mapping[str, Any]) -> str:
    """Return an envelope as text for a terminal."""
    if envelope["status"] != SUCCESS:
        return "\n".join(_yield_error(envelope))
    return "\n".join(_yield_success(envelope)).rstrip()


def _yield_success(envelope: Mapping[str, Any]) -> Iterator[str]:
    about = f" · {envelope['workflow_id']}" if envelope["workflow_id"] else ""
    as_of = envelope["result"]["analysis_results"].get("as_of", envelope["timestamp"])
    at = quantities.format_instant(parse_rfc3339(as_of))
    yield f"{envelope['operation'].replace('-', ' ').capitalize()}{about} · {at}"
    yield ""
    result = envelope["result"]
    yield from result["analysis_results"]["summary"]
    for each in envelope["degraded"]:
        age = (
            "" if each["age_seconds"] is None else f", {quantities.format_duration(each['age_seconds'])} old"
        )
        yield f"! {to_words(each['part'])}{age}: {each['reason']}"
    for title, part in (
        ("Measured", result["performance_data"]),
        ("What follows", result["analysis_results"]),
    ):
        lines = [*_yield_mapping(part, 0)]
        if lines:
            yield from ("", title.upper(), *lines)
    if result["recommendations"]:
        yield from ("", "WHAT TO DO")
        for number, advice in enumerate(result["recommendations"], 1):
            yield from _yield_advice(number, advice)
    if envelope["next_steps"]:
        yield from ("", "NEXT", *(f"{INDENT}{step}" for step in envelope["next_steps"]))


def _yield_error(envelope: Mapping[str, Any]) -> Iterator[str]:
    error = envelope["error"]
    yield f"{envelope['operation']}: {error['message']} ({error['code']})"
    for fallback in envelope["fallback_options"]:
        about = f" {fallback['workflow_id']}" if fallback["workflow_id"] else ""
        yield f"{INDENT}stretto {fallback['operation']}{about}  {fallback['reason']}"


def _yield_advice(number: int, advice: Mapping[str, Any]) -> Iterator[str]:
    yield f"{number:>2}. {advice['text']}"
    expected = advice["expected"]
    marks = [f"{name} {advice[name]}" for name in ("priority", "effort") if advice.get(name)]
    if expected.get("seconds") is not None:
        low, high = expected.get("low_seconds"), expected.get("high_seconds")
        bounds = "" if low is None or high is None else f" [{low:.0f}, {high:.0f} s]"
        marks.append(f"brings {quantities.format_duration(expected['seconds'])} a session{bounds}")
    if advice.get("changes_code"):
        marks.append("changes code")
    if advice.get("needs_trial"):
        marks.append("try it first")
    if marks:
        yield f"    {', '.join(marks)}"
    if advice["rationale"]:
        yield f"    because {advice['rationale']}"


def _yield_mapping(values: Mapping[str, Any], depth: int) -> Iterator[str]:
    """Yield the lines of a mapping: plain values first, then each part with its heading."""
    absent = values.get("absent")
    reasons = absent if isinstance(absent, Mapping) else {}
    plain, parts = [], []
    for name, value in values.items():
        if name in HIDDEN or value in ({}, [], "") or (name == "reason" and value is None):
            continue
        text = format_value(name, value, str(reasons.get(name, "")), unit=find_unit(name, values))
        if text is None:
            parts.append((name, value))
        else:
            plain.append((to_words(name), text))
    width = max((len(name) for name, _ in plain), default=0)
    yield from (f"{INDENT * (depth + 1)}{name:<{width}}  {text}" for name, text in plain)
    for name, value in parts:
        lines = [*_yield_part(add_unit_to_part_names(name, value), depth + 1)]
        if lines:
            yield from (f"{INDENT * (depth + 1)}{to_words(name)}", *lines)


def add_unit_to_part_names(name: str, value: Any) -> Any:
    """Return the numbers of a part under names with the unit of the part: seconds of ``lost_seconds``.

    A part whose numbers differ in kind names their units itself: ``{"efficiency": {"work_seconds": 9}}``
    stays as it is. Counts come as text, so that none of them gets a unit by its name.
    Example: ``{"lost_seconds": {"delivery": 3}}`` becomes ``{"delivery_seconds": 3}``.
    """
    if not isinstance(value, Mapping) or any(key.endswith(_UNITS) for key in value):
        return value
    if name in COUNTED_PARTS:
        return {key: quantities.format_count(item) for key, item in value.items()}
    if name in IN_SECONDS or name.endswith("_seconds"):
        unit = "_seconds"
    elif name.rpartition("_")[2] in _SHARES and not any(key.rpartition("_")[2] in _SHARES for key in value):
        unit = "_ratio"
    else:
        return value
    return {key + unit if _is_number(item) else key: item for key, item in value.items()}


def _is_number(value: Any) -> bool:
    """Return whether a value is a number or a figure, known or not, rather than a part with parts."""
    if isinstance(value, Mapping):
        return _format_figure("", value) is not None
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _yield_part(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _yield_mapping(value, depth)
    elif value and all(isinstance(item, Mapping) for item in value):
        yield from _yield_table(value, depth)
    else:
        yield from (f"{INDENT * (depth + 1)}- {_shorten(str(item))}" for item in value[:MOST_ROWS])


def _yield_table(rows: Sequence[Mapping[str, Any]], depth: int) -> Iterator[str]:
    """Yield a table of rows; a row with a sentence is that sentence."""
    indent = INDENT * (depth + 1)
    if "sentence" in rows[0]:
        yield from (f"{indent}- {row.get('sentence')}" for row in rows[:MOST_ROWS])
    elif "measures" in rows[0]:
        yield from _yield_comparisons(rows, depth)
        return
    else:
        hidden = HIDDEN_COLUMNS if "title" in rows[0] else HIDDEN
        names = [
            name
            for name in dict.fromkeys(name for row in rows for name in row)
            if name not in hidden and any(_is_shown(name, row.get(name)) for row in rows)
        ][:MOST_COLUMNS]
        has_factors = any(
            _is_factor(row.get(name)) for row in rows if "ratio" in row for name in {"ratio", *BESIDE_SHARE}
        )
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in names:
            table.add_column(to_words(name), overflow="fold")
        # Of days the latest are shown, of everything else the first.
        for row in rows[-MOST_ROWS:] if "day" in rows[0] else rows[:MOST_ROWS]:
            units = {name: find_unit(name, row, has_factors=has_factors) for name in names}
            cells = (format_value(name, row.get(name), "", unit=units[name]) for name in names)
            table.add_row(*(_shorten(cell or ABSENT) for cell in cells))
        yield from (f"{indent}{line}" for line in render_text(table).splitlines() if line.strip())
    if len(rows) > MOST_ROWS:
        yield f"{indent}and {len(rows) - MOST_ROWS} more: --json has all"


def _yield_comparisons(rows: Sequence[Mapping[str, Any]], depth: int) -> Iterator[str]:
    """Yield comparisons as a table, then their measures as another: a row for each that a side has."""
    plain = [{name: value for name, value in row.items() if name != "measures"} for row in rows]
    yield from _yield_table(plain, depth)
    known = [
        {"against": row.get("against"), "measure": to_words(each["measure"])}
        | {side: format_value(each["measure"], each[side], "") for side in ("current", "baseline")}
        | {"improvement": each["improvement"]}
        for row in rows
        for each in row["measures"]
        if each["current"] is not None or each["baseline"] is not None
    ]
    # A table to each: rows of several would not fit the rows of a single table.
    for against in dict.fromkeys(row["against"] for row in known):
        yield from _yield_table([row for row in known if row["against"] == against], depth)


def find_unit(name: str, values: Mapping[str, Any], *, has_factors: bool = False) -> str:
    """Return a name that ends with the unit of a number, from its own name and what stands beside it.

    With ``has_factors`` ratios are factors of a whole table, such as 0.74× beside 1.36×, else shares.
    Example: ``now`` in the row of ``elapsed_seconds`` is a length, ``low`` beside ``percentile`` a share.
    """
    row = values.get("name")
    if name in OF_ROW and isinstance(row, str):
        return UNITS_OF_ROWS.get(row, row)
    if has_factors and name in {"ratio", *BESIDE_SHARE}:
        return "speedup"
    if name in BESIDE_SHARE:
        shares = (each for each in values if each.rpartition("_")[2] in _SHARES)
        return next((each for each in shares if isinstance(values[each], float)), name)
    return name


def _is_factor(value: Any) -> bool:
    return isinstance(value, int | float) and value > 1


def _is_shown(name: str, value: Any) -> bool:
    return value is not None and format_value(name, value, "") is not None


def format_value(  # noqa: PLR0911  # a kind of value per line
    name: str, value: Any, reason: str, *, unit: str = ""
) -> str | None:
    """Return a value with its unit; None if it has parts of its own.

    The end of its name has the unit of a number, if that of ``unit`` has not.
    """
    if value is None:
        return f"{ABSENT} ({_shorten(reason, LONGEST_REASON)})" if reason else ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _format_number(unit or name, value)
    if isinstance(value, str):
        return quantities.format_instant(parse_rfc3339(value)) if _TIME.fullmatch(value) else value
    if isinstance(value, Mapping):
        return _format_figure(name, value)
    if (
        isinstance(value, list)
        and len(value) <= MOST_ROWS * 2
        and all(isinstance(i, int | float) for i in value)
    ):
        return ", ".join(_format_number(name, item) for item in value)
    return None


def _format_figure(name: str, value: Mapping[str, Any]) -> str | None:
    """Return a figure, score, headline or task in one line, with its range; None if the mapping is none."""
    if "lead" in value and "all_fanouts" in value:
        return _format_headline(value["lead"])
    if {"task", "seconds", "task_type"} <= value.keys():
        agent = f", {value['agent']}" if value["agent"] else ""
        length = format_value("seconds", value["seconds"], "")
        return f"{length}: {value['task']} ({value['task_type']}{agent}) in {value['session']}"
    if name in _EFFECTS and {"effect", "low", "high"} <= value.keys():
        effect, *bounds = (_EFFECTS[name](value[key]) for key in ("effect", "low", "high"))
        return f"{effect} [{', '.join(bounds)}]"
    key = next((key for key in ("value", "score") if key in value and "reason" in {*value, "reason"}), None)
    is_figure = key is not None and not any(isinstance(item, Mapping | list) for item in value.values())
    if key is None or not is_figure or not {"count", "coverage", "low"} & value.keys():
        if set(value) <= {"value", "reason"} and "value" in value:
            return format_value(name, value["value"], str(value.get("reason", "")))
        return None
    number = value[key]
    low, high = value.get("low"), value.get("high")
    text = ABSENT if number is None else _format_number(name, number)
    if low is not None and high is not None and low != high:
        text += f" [{_format_number(name, low)}, {_format_number(name, high)}]"
    reason = _shorten(str(value.get("reason") or ""), LONGEST_REASON)
    return f"{text} ({reason})" if number is None and reason else text


def _format_headline(lead: Mapping[str, Any] | None) -> str:
    if lead is None or lead["speedup"] is None:
        return "nothing ran in parallel"
    saved = quantities.format_duration(abs(lead["time_saved_seconds"]))
    word = "saved" if lead["time_saved_seconds"] >= 0 else "lost"
    fanouts = quantities.format_count_with_noun(lead["fanouts"], "parallel execution")
    return f"{quantities.format_speedup(lead['speedup'])} ({lead['baseline']}), {saved} {word}, {fanouts}"


def _format_number(name: str, value: float) -> str:  # noqa: PLR0911  # a unit per line
    last = name.rpartition("_")[2]
    if f"_{last}" not in _UNITS:
        # In ``saved_seconds_per_day`` the unit stands before what it is divided by.
        last = name.removesuffix("_before").partition("_per_")[0].rpartition("_")[2]
    if last == "seconds":
        return quantities.format_duration(value)
    if name in {"p", "p_longer"}:
        return f"< {LEAST_P}" if value < LEAST_P else quantities.format_number(value)
    if last == "usd" or "dollars" in name:
        return quantities.format_dollars(value)
    if last == "bytes":
        return quantities.format_bytes(value)
    if "speedup" in name and value >= 0:
        return quantities.format_speedup(value)
    if (last in _SHARES or name.startswith("share_of_")) and -1 <= value <= 1:
        return quantities.format_percent(value)
    if isinstance(value, int) or value == round(value) or abs(value) >= 1_000:  # noqa: PLR2004  # no decimals
        return quantities.format_count(round(value)) if abs(value) < 1e15 else str(value)  # noqa: PLR2004  # a time
    return quantities.format_number(value)


def to_words(name: str) -> str:
    """Return a key as words, without the unit that its value carries: ``median_seconds`` → ``median``."""
    for unit in _UNITS:
        name = name.removesuffix(unit) if name != unit.lstrip("_") else name
    return name.replace("_", " ").strip() or name


def _shorten(text: str, most: int = LONGEST_TEXT) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
