"""Texts and the page of ``stretto profile``."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from statistics import median

from stretto.gates import gate_texts
from stretto.gates.benchmark_measurements import Measurements
from stretto.gates.gate_verdict import GateRules, GateVerdict
from stretto.gates.session_size_classes import WorkloadClass

WIDTH = 600
"""Width of a drawing in CSS pixels."""

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "html{color-scheme:light dark}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right}td:first-child,th:first-child"
    "{text-align:left}circle{fill:currentColor;fill-opacity:.5}.b{fill:#d55e00}line{stroke:currentColor}"
)


def format_amount(name: str, amount: float) -> str:
    """Return an amount with its unit: seconds, or bytes for memory and disk."""
    if name in {"memory", "read", "written"}:
        return f"{amount / 1e6:.1f} MB"
    return f"{amount:.3f} s" if amount >= 1 else f"{amount * 1e3:.2f} ms"


def format_profile(profile: Measurements) -> str:
    """Return each amount as a distribution: least, median and most of all runs."""
    if not profile.runs:
        return "nothing was measured"
    count = len(next(iter(profile.runs.values())))
    width = max(map(len, profile.runs))
    lines = [f"{count} runs{'':<{max(0, width - 6)}}  {'least':>12} {'median':>12} {'most':>12}"]
    for name, values in profile.runs.items():
        cells = [format_amount(name, each(values)) for each in (min, median, max)]
        lines.append(f"{name:<{width}}  {cells[0]:>12} {cells[1]:>12} {cells[2]:>12}")
    return "\n".join(lines)


def format_comparison(verdict: GateVerdict, rules: GateRules, name: str) -> str:
    """Return what differs from another profile."""
    lines = gate_texts.to_lines(verdict, rules)
    same = [test for test in verdict.tests if test not in gate_texts.list_noteworthy(verdict)]
    lines += [
        f"  {test.word.value:<16} {test.name}: {gate_texts.describe_test(test, rules)}" for test in same
    ]
    return "\n".join([f"compared with {name}:", *lines])


def format_classes(classes: Sequence[WorkloadClass]) -> str:
    """Return the workload classes as a table."""
    if not classes:
        return "no finished session with tasks is stored"
    lines = [
        f"{'pattern':<24} {'size':<7} {'sessions':>8} {'tasks':>9} {'median':>10} {'p90':>10} {'work':>10}"
    ]
    for each in classes:
        tasks = f"{each.tasks[0]} to {each.tasks[1]}"
        p90 = "–" if each.p90_seconds is None else f"{each.p90_seconds:.1f} s"
        lines.append(
            f"{each.pattern:<24} {each.size:<7} {each.sessions:>8} {tasks:>9} {each.median_seconds:>8.1f} s"
            f" {p90:>10} {each.median_work_seconds:>8.1f} s"
        )
    return "\n".join(lines)


def render_page(command: str, profiles: Sequence[Measurements], text: str) -> str:
    """Return a page with a dot for each run, of the other command in a second row, and the numbers."""
    rows = []
    for name, values in profiles[0].runs.items():
        others = profiles[1].runs.get(name, ()) if len(profiles) > 1 else ()
        most = max([*values, *others]) or 1.0
        dots = "".join(_draw_dot(value / most, 10, "") for value in values)
        dots += "".join(_draw_dot(value / most, 26, ' class="b"') for value in others)
        label = escape(
            f"{name}: {len(values)} runs, median {format_amount(name, median(values))}", quote=True
        )
        drawing = (
            f'<svg role="img" aria-label="{label}" width="{WIDTH}" height="36" viewBox="0 0 {WIDTH} 36">'
            f'<line x1="0" y1="18" x2="{WIDTH}" y2="18" stroke-opacity=".2"/>{dots}</svg>'
        )
        amount = format_amount(name, median(values))
        rows.append(f"<tr><td>{escape(name)}</td><td>{amount}</td><td>{drawing}</td></tr>")
    title = f"Profile of {escape(command)}"
    second = "; the second row is the other command" if len(profiles) > 1 else ""
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><p>A dot is a run, from 0 at the left{second}.</p>"
        f"<table><tr><th>amount</th><th>median</th><th>runs</th></tr>{''.join(rows)}</table>"
        f"<pre>{escape(text)}</pre></html>\n"
    )


def _draw_dot(share: float, y: int, css: str) -> str:
    return f'<circle{css} cx="{6 + share * (WIDTH - 12):.1f}" cy="{y}" r="4"/>'
