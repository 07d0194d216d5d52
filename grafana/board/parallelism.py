"""Parallelism: what running side by side gains, where the gain is lost, and what it costs."""

from __future__ import annotations

from grafana.board import change
from grafana.board.board import Board, Row
from grafana.board.limit import INFO, steps
from grafana.board.link import BoardId, Link
from grafana.board.panel import Column, Unit, bars, limit, lines, stat, table, target
from grafana.board.query import largest, ratio, series, total

from stretto.names import Label

SEQUENTIAL = series("parallel_sequential_seconds")
SAVED = series("time_saved_seconds")
EXPECTED = series("expected_saved_seconds")
WORK, CAPACITY = series("pattern_work_seconds"), series("pattern_capacity_seconds")
LONGEST, ELAPSED = series("pattern_longest_lane_seconds"), series("pattern_elapsed_seconds")


def _missed(*by: Label) -> str:
    """Return how far the improvement is above its target, below 0 where it misses it."""
    return ratio(f"{SAVED} - {EXPECTED}", SEQUENTIAL, *by)


_GAIN = Row(
    "What it gains",
    (
        stat(
            "Speedup of parallel work",
            "Sequential time over elapsed time.",
            "How many times as fast as one after another?",
            Unit.TIMES,
            change.speedup(),
            decimals=2,
        ),
        stat(
            "Improvement",
            "Time saved over sequential time; below 0 where parallel was slower.",
            "What share of the time does running in parallel save?",
            Unit.RATIO,
            change.improvement(),
            low=None,
            high=1,
        ),
        stat(
            "Against target",
            "Improvement less the target of the task types in it, in percentage points.",
            "Is as much saved as was asked for?",
            Unit.RATIO,
            _missed(),
            steps=steps("improvement_shortfall_ratio", low=True, baseline="measured", sign=-1),
            low=None,
            high=1,
        ),
        stat(
            "Time saved in parallel",
            "Sequential time less elapsed time.",
            "How much time was saved?",
            Unit.SECONDS,
            total(SAVED),
            low=None,
        ),
        stat(
            "Parallel executions",
            "Parallel executions that ended in the window.",
            "How often did agents run side by side?",
            Unit.COUNT,
            total(series("window_fanouts")),
            steps=steps("fanouts", of=INFO),
            links=(Link(BoardId.QUALITY, "Adoption"),),
        ),
        stat(
            "Best speedup",
            "Highest work over elapsed of a parallel execution in the store.",
            "What has been reached?",
            Unit.TIMES,
            largest(series("best_speedup")),
            decimals=2,
            links=(Link(BoardId.PATTERNS, "When, by which pattern"),),
        ),
    ),
)

_TYPES = Row(
    "By task type",
    (
        table(
            "Task types in parallel",
            "Gain, target and ingredients of every task type that ran in parallel.",
            "Which kind of work is worth running side by side?",
            {Label.TASK_TYPE: "Task type"},
            Column("Time saved", total(SAVED, Label.TASK_TYPE), Unit.SECONDS, low=None),
            Column(
                "Speedup",
                ratio(SEQUENTIAL, series("parallel_elapsed_seconds"), Label.TASK_TYPE),
                Unit.TIMES,
            ),
            Column("Improvement", ratio(SAVED, SEQUENTIAL, Label.TASK_TYPE), Unit.RATIO, low=None, high=1),
            Column(
                "Target", largest(series("improvement_target_ratio"), Label.TASK_TYPE), Unit.RATIO, high=1
            ),
            Column(
                "Against target",
                _missed(Label.TASK_TYPE),
                Unit.RATIO,
                steps("improvement_shortfall_ratio", low=True, baseline="measured", sign=-1),
                low=None,
                high=1,
            ),
            Column("Tasks", total(series("parallel_tasks"), Label.TASK_TYPE), Unit.COUNT),
            Column("Work", total(series("parallel_work_seconds"), Label.TASK_TYPE), Unit.SECONDS),
            links=(Link(BoardId.QUALITY, "Quality of this type", Label.TASK_TYPE),),
        ),
        lines(
            "Improvement against target",
            "Improvement by task type; dashed, what is asked of each and the least that does not alert.",
            "Which kind of work stays under its target?",
            Unit.RATIO,
            {"{{task_type}}": ratio(SAVED, SEQUENTIAL, Label.TASK_TYPE)},
            target(largest(series("improvement_target_ratio"), Label.TASK_TYPE), "target {{task_type}}"),
            limit("improvement_ratio", "critical", "measured"),
            low=None,
            high=1,
        ),
        lines(
            "Time saved over time",
            "Time saved in the window before each instant, by task type.",
            "Is the gain growing?",
            Unit.SECONDS,
            {"{{task_type}}": total(SAVED, Label.TASK_TYPE)},
            low=None,
        ),
    ),
)

_SURE = Row(
    "How sure the gain is",
    (
        bars(
            "How sequential time is known",
            "Tasks of parallel executions by where their sequential time comes from.",
            "Is the gain measured, configured, or only the work itself?",
            Unit.COUNT,
            total(series("parallel_tasks"), Label.BASELINE),
            legend="{{baseline}}",
        ),
        lines(
            "Speedup by baseline",
            "Speedup apart for what was measured, configured and taken from the work itself.",
            "Does the gain hold against a measured sequential run?",
            Unit.TIMES,
            {"{{baseline}}": ratio(SEQUENTIAL, series("parallel_elapsed_seconds"), Label.BASELINE)},
            width=8,
        ),
        bars(
            "Contention",
            "How long tasks take side by side over how long they take alone, where that was measured.",
            "Do agents hold each other up?",
            Unit.TIMES,
            largest(series("contention_ratio"), Label.TASK_TYPE),
            legend="{{task_type}}",
        ),
    ),
)

_TREE = Row(
    "Where it is lost: efficiency = load balance × concurrency",
    (
        stat(
            "Efficiency",
            "Work over width times elapsed.",
            "How much of what the lanes could do did they do?",
            Unit.RATIO,
            ratio(WORK, CAPACITY),
            high=1,
        ),
        stat(
            "Load balance",
            "Mean lane busy time over the longest lane's.",
            "Is the work cut into even parts?",
            Unit.RATIO,
            ratio(WORK, LONGEST),
            high=1,
        ),
        stat(
            "Concurrency",
            "Longest lane's busy time over elapsed.",
            "Do late starts and hand-overs leave lanes empty?",
            Unit.RATIO,
            ratio(LONGEST, CAPACITY),
            high=1,
        ),
        stat(
            "Width",
            "Lanes of parallel executions, weighted by their time.",
            "How many agents run side by side?",
            Unit.PLAIN,
            ratio(CAPACITY, ELAPSED),
            decimals=1,
        ),
        bars(
            "Lane time lost",
            "Lane time that parallel executions lost, by the factor that lost it.",
            "What should be mended first?",
            Unit.SECONDS,
            total(series("efficiency_lost_seconds"), Label.FACTOR),
            legend="{{factor}}",
            height=5,
        ),
        lines(
            "Efficiency tree",
            "Efficiency and the two factors that multiply to it.",
            "Which factor moved?",
            Unit.RATIO,
            {
                "efficiency": ratio(WORK, CAPACITY),
                "load balance": ratio(WORK, LONGEST),
                "concurrency": ratio(LONGEST, CAPACITY),
            },
            high=1,
        ),
        table(
            "Patterns in parallel",
            "The tree of every pattern, and the lane time it lost.",
            "Which way of working wastes lanes?",
            {Label.PATTERN: "Pattern"},
            Column("Lane time lost", total(series("efficiency_lost_seconds"), Label.PATTERN), Unit.SECONDS),
            Column(
                "Efficiency", largest(series("parallel_efficiency_ratio"), Label.PATTERN), Unit.RATIO, high=1
            ),
            Column("Load balance", largest(series("load_balance_ratio"), Label.PATTERN), Unit.RATIO, high=1),
            Column("Concurrency", largest(series("concurrency_ratio"), Label.PATTERN), Unit.RATIO, high=1),
            Column("Width", ratio(CAPACITY, ELAPSED, Label.PATTERN), Unit.PLAIN),
            Column("Executions", total(series("window_fanouts"), Label.PATTERN), Unit.COUNT),
            width=12,
            height=8,
            links=(Link(BoardId.PATTERNS, "This pattern", Label.PATTERN),),
        ),
    ),
)

_PRICE = Row(
    "What it costs, and what is left",
    (
        stat(
            "Price of a second",
            "Cost of parallel tasks over the seconds they saved.",
            "What is paid for a second saved?",
            Unit.MONEY,
            largest(series("saved_second_cost_usd")),
            decimals=4,
            absent="not known",
        ),
        stat(
            "Tokens of a second",
            "Tokens of parallel tasks over the seconds they saved.",
            "How many tokens does a second saved take?",
            Unit.COUNT,
            largest(series("saved_second_tokens")),
            absent="not known",
        ),
        stat(
            "Cost of parallel tasks",
            "What the tasks of parallel executions cost.",
            "What did running in parallel cost?",
            Unit.MONEY,
            largest(series("parallel_cost_usd")),
            absent="not known",
        ),
        stat(
            "Tokens of parallel tasks",
            "Tokens that the tasks of parallel executions used.",
            "How many tokens did running in parallel take?",
            Unit.COUNT,
            largest(series("parallel_tokens")),
            absent="not known",
        ),
        bars(
            "Time still to be saved",
            "Time that runs of tasks one after another would have saved side by side, at most.",
            "Where is parallel work still missing?",
            Unit.SECONDS,
            total(series("opportunity_seconds"), Label.PATTERN),
            legend="{{pattern}}",
            steps=steps("opportunity_seconds", of=INFO),
            height=5,
            links=(Link(BoardId.PATTERNS, "This pattern", Label.PATTERN),),
        ),
        lines(
            "Price over time",
            "Cost of parallel tasks over the seconds they saved.",
            "Does a saved second become dearer?",
            Unit.MONEY,
            {"USD per second": largest(series("saved_second_cost_usd"))},
        ),
        bars(
            "Critical path by task type",
            "Part of the critical paths that tasks of a type were.",
            "Which work must become shorter for sessions to end sooner?",
            Unit.SECONDS,
            total(series("critical_path_task_type_seconds"), Label.TASK_TYPE),
            legend="{{task_type}}",
            width=12,
        ),
        bars(
            "Slack by task type",
            "How much longer a type's tasks could have taken before a session had ended later.",
            "Which work may take its time?",
            Unit.SECONDS,
            largest(series("slack_task_type_seconds"), Label.TASK_TYPE),
            legend="{{task_type}}",
            width=12,
        ),
    ),
)

PARALLELISM = Board(
    id=BoardId.PARALLELISM,
    title="Stretto / Parallelism",
    asks="What does running agents side by side gain, where is the gain lost, and what does it cost?",
    rows=(_GAIN, _TYPES, _SURE, _TREE, _PRICE),
)
