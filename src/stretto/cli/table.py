"""Answers as text for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from stretto.cli.kpis import kpi_lines
from stretto.cli.spent import spending_lines
from stretto.clock import SECOND, rfc3339
from stretto.config import Config
from stretto.figures.efficiency import EfficiencyTree
from stretto.figures.parallel import Fanout, Sequential
from stretto.figures.structure import Structure, Tried
from stretto.insights import Insight
from stretto.known_baselines import KnownBaselines, no_interval
from stretto.model.entities import Session
from stretto.names import NONE
from stretto.store.queries import SessionRow

ABSENT = "—"
WIDTH = 150
"""Columns of a table; a pipe gets the same, so that answers do not depend on the window."""


def sessions(rows: Iterable[SessionRow], now: int) -> str:
    """Return a list of sessions."""
    table = _table(
        "session", "when", "lasted", "project", "pattern", "turns", "tasks", "calls", "fan-outs", "outcome"
    )
    for row in rows:
        lasted = (row.end or row.last) - row.start
        table.add_row(
            row.id,
            f"{spoken(now - row.last)} ago",
            spoken(lasted),
            row.project or ABSENT,
            row.pattern or ABSENT,
            str(row.turns),
            str(row.tasks),
            str(row.tool_calls),
            str(row.fanouts),
            "recording" if row.recording else row.outcome.value,
        )
    if not table.row_count:
        return "no session yet: 'stretto hooks install' connects Claude Code"
    return _text(table)


def session(seen: Insight) -> str:
    """Return one session: its fan-outs and its tasks."""
    session = seen.session
    lasted = spoken((session.end or session.last) - session.start)
    about = [
        session.source,
        f"project {session.project or ABSENT}",
        f"pattern {session.pattern or ABSENT}",
        session.outcome.value,
        lasted,
        f"{len(session.turns)} turn(s)",
        f"{len(session.tool_calls)} tool call(s)",
    ]
    lines = [
        f"session {session.id}" + ("  (a recording, not a session of yours)" if session.recording else ""),
        "  " + ", ".join(about),
        "",
    ]
    for number, (fanout, held_against) in enumerate(seen.fanouts, 1):
        lines += _fanout(number, fanout, held_against)
    lines += [*_structure(seen.structure), ""]
    lines += [*spending_lines(seen.model_calls), *kpi_lines(seen.kpis)]
    lines += [_tasks(session)] if session.tasks else []
    lines += [_phases(session)] if session.phases else []
    lines += [_scores(session)] if session.scores else []
    lines += [f"absent: {figure}: {reason}" for figure, reason in seen.absent.items()]
    return "\n".join(lines)


def config(config: Config) -> str:
    """Return every setting and where it comes from."""
    table = _table("setting", "value", "from")
    for setting in config.settings:
        table.add_row(setting.name, ABSENT if setting.value is None else str(setting.value), setting.origin)
    types = _table("task type", "sequential", "target", "keywords")
    for t in config.task_types.types:
        hours = ABSENT if t.sequential_hours is None else f"{t.sequential_hours:g} h"
        types.add_row(t.name, hours, f"{t.target:.0%}", ", ".join(t.keywords))
    return _text(table) + "\n" + _text(types)


def baselines(known: KnownBaselines, now: int) -> str:
    """Return every baseline in the order of precedence, then what parallel work is held against."""
    table = _table(
        "provenance", "pattern", "task types", "takes", "95 %", "runs", "newest", "used by", "name"
    )
    for found in known.baselines:
        bounds = found.estimate.bounds
        sure = no_interval(found) if bounds is None else f"{spoken(bounds[0])} – {spoken(bounds[1])}"
        table.add_row(
            found.provenance.value,
            found.pattern or "any",
            ", ".join(found.task_types) + (" (any mix)" if found.whole else ""),
            spoken(found.estimate.mean),
            sure or ABSENT,
            str(found.estimate.count or ABSENT),
            ABSENT if found.newest is None else f"{spoken(now - found.newest)}",
            str(known.fanouts(found)),
            found.name or ABSENT,
        )
    uses = _table("parallel executions", "pattern", "task types", "held against")
    for use in known.uses:
        against = f"{use.provenance.value} {', '.join(use.names)}".strip()
        uses.add_row(str(use.mix.count), use.mix.pattern, ", ".join(use.mix.signature.split(",")), against)
    parts = [_text(table) if known.baselines else "no baseline is known: work is held against itself"]
    return "\n\n".join([*parts, *([_text(uses)] if known.uses else [])])


def spoken(length: float | None) -> str:
    """Return a length in nanoseconds as a person says it, three digits at most."""
    if length is None:
        return ABSENT
    seconds = length / SECOND
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s" if abs(seconds) >= 1 else f"{seconds * 1000:.0f} ms"


def _fanout(number: int, fanout: Fanout, held_against: Sequential) -> list[str]:
    speedup = held_against.length / fanout.elapsed
    verdict = f"{speedup:.2f}× as fast as one after another (baseline: {held_against.provenance.value})"
    lengths = [
        f"sequential {spoken(held_against.length)}",
        f"elapsed {spoken(fanout.elapsed)}",
        f"saved {spoken(held_against.length - fanout.elapsed)}",
        f"work {spoken(fanout.work)}",
    ]
    factors = f"load balance {fanout.load_balance:.0%} × concurrency {fanout.concurrency:.0%}"
    return [
        f"fan-out {number}: {len(fanout.tasks)} tasks, {fanout.width} at once: {verdict}",
        f"  {_confidence(fanout, held_against)}",
        "  " + ", ".join(lengths),
        f"  efficiency {fanout.efficiency:.0%} = {factors}",
        "",
    ]


def what_if(tried: Tried) -> str:
    """Return what one task at a factor of its time would change."""
    lengths = [("the session", tried.elapsed, tried.would_be)]
    if tried.fanout_elapsed is not None and tried.fanout_would_be is not None:
        lengths.append(("its fan-out", tried.fanout_elapsed, tried.fanout_would_be))
    told = ", ".join(f"{what} {spoken(would_be)} instead of {spoken(was)}" for what, was, would_be in lengths)
    return f"what if: with task {tried.task} at {tried.factor:g} of its time, {told}"


def _structure(found: Structure) -> list[str]:
    """Return the efficiency tree, the critical path and the wall time, a line for each of their parts."""
    lines = _efficiency(found.efficiency)
    if found.path:
        whole = found.path.length
        lines.append(f"critical path {spoken(whole)} of {spoken(found.path.elapsed)}")
        for what, lengths in (
            ("agents", found.path.agents()),
            ("tasks", found.path.tasks()),
            ("tools", found.path.tools()),
        ):
            lines += [f"  {what}: {_largest(lengths, whole)}"] if lengths else []
        lines += [
            f"  a fifth faster: {one.task} would save {spoken(one.elapsed - one.would_be)}"
            for one in found.tried[:1]
        ]
    wall = Counter({part.value.replace("_", " "): length for part, length in found.wall.items()})
    whole = sum(wall.values())
    return [*lines, f"wall time {spoken(whole)}: {_largest(wall, whole, len(wall))}"] if whole else lines


def _efficiency(tree: EfficiencyTree | None) -> list[str]:
    if tree is None:
        return []
    nodes = [("all fan-outs", tree.session)]
    if set(tree.phases) != {NONE}:
        nodes += [(f"  phase {name}", node) for name, node in tree.phases.items()]
    lines = []
    for name, node in nodes:
        factors = " × ".join(
            f"{factor.value.replace('_', ' ')} {share:.0%}" for factor, share in node.factors.items()
        )
        lost = ", ".join(
            f"{spoken(length)} by {factor.value.replace('_', ' ')}" for factor, length in node.lost.items()
        )
        lines.append(f"{name}: efficiency {node.whole:.0%} = {factors}; lane time lost: {lost}")
    return lines


def _largest(lengths: Counter[str], whole: int, most: int = 5) -> str:
    return ", ".join(
        f"{name} {spoken(length)} ({length / whole:.0%})" for name, length in lengths.most_common(most)
    )


def _confidence(fanout: Fanout, held_against: Sequential) -> str:
    bounds = held_against.estimate.bounds
    if bounds is None:
        return f"no confidence interval: {held_against.baseline.no_interval}"
    low, high = (edge / fanout.elapsed for edge in bounds)
    return f"{low:.2f}× to {high:.2f}× at 95 % confidence, from {held_against.estimate.count} sequential runs"


def _tasks(session: Session) -> str:
    table = _table("task", "type", "agent", "started", "took", "outcome", "description")
    for task in session.tasks:
        interval = task.interval
        table.add_row(
            task.id,
            task.task_type,
            task.agent or ABSENT,
            ABSENT if task.start is None else f"+{spoken(task.start - session.start)}",
            spoken(interval.length if interval else None),
            task.outcome.value,
            task.description or ABSENT,
        )
    return _text(table)


def _phases(session: Session) -> str:
    table = _table("phase", "id", "started", "took", "tasks", "outcome")
    for phase in session.phases:
        interval = phase.interval
        table.add_row(
            phase.name,
            phase.id,
            ABSENT if phase.start is None else f"+{spoken(phase.start - session.start)}",
            spoken(interval.length if interval else None),
            str(sum(task.phase == phase.name for task in session.tasks)),
            phase.outcome.value,
        )
    return _text(table)


def _scores(session: Session) -> str:
    table = _table("score", "value", "of", "by", "given")
    names = {phase.id: phase.name for phase in session.phases}
    for score in session.scores:
        what = "the session" if score.of == "session" else f"{score.of} {names.get(score.of_id, score.of_id)}"
        table.add_row(
            score.name, f"{score.value:g}", what, score.by or ABSENT, rfc3339(score.time)[:19] + "Z"
        )
    return _text(table)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        # The first column is what one copies into the next command: it stays in one piece.
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    return table


def _text(renderable: RenderableType) -> str:
    # What others wrote is shown as it is: a description with brackets in it is no order to us.
    console = Console(
        width=WIDTH, no_color=True, highlight=False, force_terminal=False, markup=False, emoji=False
    )
    with console.capture() as capture:
        console.print(renderable)
    return capture.get().rstrip()
