"""The dashboard of parallel work: its gain, its losses and its cost."""

from __future__ import annotations

from grafana.board import change
from grafana.board.board import Board, Row
from grafana.board.limit import INFO, make_steps
from grafana.board.link import BoardId, Link, list_sessions
from grafana.board.panel import (
    Column,
    Unit,
    draw_limit,
    draw_target,
    make_bars,
    make_lines,
    make_stat,
    make_table,
)
from grafana.board.query import divide_sums, max_by, select_series, share_value, sum_by

from stretto.names import Label

SEQUENTIAL = select_series("parallel_sequential_seconds")
SAVED = select_series("time_saved_seconds")
EXPECTED = select_series("expected_saved_seconds")
WORK, CAPACITY = select_series("pattern_work_seconds"), select_series("pattern_capacity_seconds")
DELIVERED = select_series("pattern_delivered_work_seconds")
LONGEST, ELAPSED = select_series("pattern_longest_lane_seconds"), select_series("pattern_elapsed_seconds")


def _compare_target(*by: Label) -> str:
    """Return the improvement minus its target; negative if the target is missed."""
    return divide_sums(f"{SAVED} - {EXPECTED}", SEQUENTIAL, *by)


def _compute_part_speedup(name: str) -> str:
    """Return 1 + time saved over elapsed of the executions with a better baseline."""
    sequential, paid, elapsed = (
        select_series(f"verdict_part_{part}") for part in (name, "paid_seconds", "elapsed_seconds")
    )
    return divide_sums(f"{sequential} - {paid} + {elapsed}", elapsed, Label.BASELINE)


_GAIN = Row(
    "Gain",
    (
        make_stat(
            "Speedup of parallel work",
            "1 + time saved over elapsed of all parallel executions, by the tasks' own lengths.",
            "How many times as fast as one after another?",
            Unit.TIMES,
            change.compute_speedup(),
            decimals=2,
        ),
        make_stat(
            "Against target",
            "Improvement less the target of the task types in it, in percentage points.",
            "Is as much saved as was asked for?",
            Unit.RATIO,
            _compare_target(),
            steps=make_steps("improvement_shortfall_ratio", low=True, baseline="measured", sign=-1),
            low=None,
            high=1,
        ),
        make_stat(
            "Delivered",
            "Tasks of the headline that were delivered, or taken as delivered, over all of them.",
            "How much of it was worth having?",
            Unit.RATIO,
            share_value("verdict_tasks", Label.DELIVERY, "~delivered|taken"),
            high=1,
        ),
        make_stat(
            "Parallel executions",
            "Parallel executions of the headline.",
            "How often did agents run side by side?",
            Unit.COUNT,
            sum_by(select_series("verdict_fanouts")),
            steps=make_steps("fanouts", of=INFO),
            links=(Link(BoardId.QUALITY, "Adoption"),),
        ),
        make_stat(
            "Best speedup",
            "Highest work over elapsed of a parallel execution in the store.",
            "What has been reached?",
            Unit.TIMES,
            max_by(select_series("best_speedup")),
            decimals=2,
            links=(Link(BoardId.PATTERNS, "When, by which pattern"),),
        ),
    ),
)

_TYPES = Row(
    "By task type",
    (
        make_table(
            "Task types in parallel",
            "Gain, target and ingredients of every task type that ran in parallel.",
            "Which kind of work is worth running side by side?",
            {Label.TASK_TYPE: "Task type"},
            Column("Time saved", sum_by(SAVED, Label.TASK_TYPE), Unit.SECONDS, low=None),
            Column(
                "Speedup",
                divide_sums(SEQUENTIAL, select_series("parallel_elapsed_seconds"), Label.TASK_TYPE),
                Unit.TIMES,
            ),
            Column(
                "Improvement", divide_sums(SAVED, SEQUENTIAL, Label.TASK_TYPE), Unit.RATIO, low=None, high=1
            ),
            Column(
                "Target",
                max_by(select_series("improvement_target_ratio"), Label.TASK_TYPE),
                Unit.RATIO,
                high=1,
            ),
            Column(
                "Against target",
                _compare_target(Label.TASK_TYPE),
                Unit.RATIO,
                make_steps("improvement_shortfall_ratio", low=True, baseline="measured", sign=-1),
                low=None,
                high=1,
            ),
            Column("Tasks", sum_by(select_series("parallel_tasks"), Label.TASK_TYPE), Unit.COUNT),
            Column(
                "Delivered", sum_by(select_series("parallel_delivered_tasks"), Label.TASK_TYPE), Unit.COUNT
            ),
            Column("Work", sum_by(select_series("parallel_work_seconds"), Label.TASK_TYPE), Unit.SECONDS),
            links=(
                Link(BoardId.QUALITY, "Quality of this type", Label.TASK_TYPE),
                list_sessions(Label.TASK_TYPE),
            ),
        ),
        make_lines(
            "Improvement against target",
            "Improvement by task type; dashed, what is asked of each and the least that does not alert.",
            "Which kind of work stays under its target?",
            Unit.RATIO,
            {"{{task_type}}": divide_sums(SAVED, SEQUENTIAL, Label.TASK_TYPE)},
            draw_target(
                max_by(select_series("improvement_target_ratio"), Label.TASK_TYPE), "target {{task_type}}"
            ),
            draw_limit("improvement_ratio", "critical", "measured"),
            low=None,
            high=1,
        ),
        make_lines(
            "Time saved over time",
            "Time saved in the window before each instant, by task type.",
            "Is the gain growing?",
            Unit.SECONDS,
            {"{{task_type}}": sum_by(SAVED, Label.TASK_TYPE)},
            low=None,
        ),
    ),
)

_SURE = Row(
    "How sure the gain is",
    (
        make_table(
            "Parts with a better baseline",
            "Parallel executions that have a better baseline, by it and by their tasks' own lengths.",
            "Does the headline hold where there is something to compare it with?",
            {Label.BASELINE: "Baseline"},
            Column("Executions", sum_by(select_series("verdict_part_fanouts"), Label.BASELINE), Unit.COUNT),
            Column("Speedup", _compute_part_speedup("sequential_seconds"), Unit.TIMES),
            Column("By own lengths", _compute_part_speedup("own_sequential_seconds"), Unit.TIMES),
            Column(
                "Improvement",
                divide_sums(
                    select_series("verdict_part_saved_seconds"),
                    select_series("verdict_part_sequential_seconds"),
                    Label.BASELINE,
                ),
                Unit.RATIO,
                low=None,
                high=1,
            ),
            width=12,
        ),
        make_bars(
            "Work by class",
            "Busy time of the headline's tasks: delivered, taken as delivered without a report, or wasted.",
            "Are the outcomes of most of the work reported?",
            Unit.SECONDS,
            sum_by(select_series("verdict_work_seconds"), Label.DELIVERY),
            legend="{{delivery}}",
            width=12,
        ),
        make_bars(
            "How sequential time is known",
            "Tasks of parallel executions by where their sequential time comes from.",
            "Is the gain measured, configured, or only the work itself?",
            Unit.COUNT,
            sum_by(select_series("parallel_tasks"), Label.BASELINE),
            legend="{{baseline}}",
        ),
        make_lines(
            "Speedup by baseline",
            "Speedup for each kind of baseline: measured, configured, or the work itself.",
            "Does the gain hold against a measured sequential run?",
            Unit.TIMES,
            {
                "{{baseline}}": divide_sums(
                    SEQUENTIAL, select_series("parallel_elapsed_seconds"), Label.BASELINE
                )
            },
            width=8,
        ),
        make_bars(
            "Contention",
            "How long tasks take side by side over how long they take alone, where that was measured.",
            "Do agents hold each other up?",
            Unit.TIMES,
            max_by(select_series("contention_ratio"), Label.TASK_TYPE),
            legend="{{task_type}}",
        ),
    ),
)

_TREE = Row(
    "Where it is lost: efficiency = load balance × concurrency × delivery",
    (
        make_stat(
            "Efficiency and its factors",
            "Delivered work over width times elapsed, and the three factors that multiply to it.",
            "How much of what the lanes could do did they deliver, and what lost the rest?",
            Unit.RATIO,
            {
                "efficiency": divide_sums(DELIVERED, CAPACITY),
                "load balance": divide_sums(WORK, LONGEST),
                "concurrency": divide_sums(LONGEST, CAPACITY),
                "delivery": divide_sums(DELIVERED, WORK),
            },
            width=12,
            high=1,
        ),
        make_stat(
            "Width",
            "Lanes of parallel executions, weighted by their time.",
            "How many agents run side by side?",
            Unit.PLAIN,
            divide_sums(CAPACITY, ELAPSED),
            decimals=1,
        ),
        make_bars(
            "Lane time lost",
            "Lane time that parallel executions lost, by the factor that lost it.",
            "What should be mended first?",
            Unit.SECONDS,
            sum_by(select_series("efficiency_lost_seconds"), Label.FACTOR),
            legend="{{factor}}",
            height=5,
        ),
        make_lines(
            "Efficiency tree",
            "Efficiency and the three factors that multiply to it.",
            "Which factor moved?",
            Unit.RATIO,
            {
                "efficiency": divide_sums(DELIVERED, CAPACITY),
                "load balance": divide_sums(WORK, LONGEST),
                "concurrency": divide_sums(LONGEST, CAPACITY),
                "delivery": divide_sums(DELIVERED, WORK),
            },
            high=1,
        ),
        make_table(
            "Patterns in parallel",
            "The tree of every pattern, and the lane time it lost.",
            "Which way of working wastes lanes?",
            {Label.PATTERN: "Pattern"},
            Column(
                "Lane time lost",
                sum_by(select_series("efficiency_lost_seconds"), Label.PATTERN),
                Unit.SECONDS,
            ),
            Column(
                "Efficiency",
                max_by(select_series("parallel_efficiency_ratio"), Label.PATTERN),
                Unit.RATIO,
                high=1,
            ),
            Column(
                "Load balance", max_by(select_series("load_balance_ratio"), Label.PATTERN), Unit.RATIO, high=1
            ),
            Column(
                "Concurrency", max_by(select_series("concurrency_ratio"), Label.PATTERN), Unit.RATIO, high=1
            ),
            Column("Delivery", max_by(select_series("delivery_ratio"), Label.PATTERN), Unit.RATIO, high=1),
            Column(
                "Delivered tasks",
                sum_by(select_series("pattern_delivered_tasks"), Label.PATTERN),
                Unit.COUNT,
            ),
            Column("Tasks", sum_by(select_series("pattern_tasks"), Label.PATTERN), Unit.COUNT),
            Column("Width", divide_sums(CAPACITY, ELAPSED, Label.PATTERN), Unit.PLAIN),
            Column("Executions", sum_by(select_series("window_fanouts"), Label.PATTERN), Unit.COUNT),
            width=12,
            height=8,
            links=(Link(BoardId.PATTERNS, "This pattern", Label.PATTERN), list_sessions(Label.PATTERN)),
        ),
    ),
)

_PRICE = Row(
    "What it costs",
    (
        make_stat(
            "Cost",
            "Known cost of parallel tasks, so at least so much, in all and for each second saved.",
            "What did running in parallel cost?",
            Unit.MONEY,
            {
                "parallel tasks, at least": max_by(select_series("parallel_cost_usd")),
                "a second saved": max_by(select_series("saved_second_cost_usd")),
            },
            width=12,
            decimals=4,
            absent="not known",
        ),
        make_stat(
            "Tokens in parallel",
            "Known tokens of parallel tasks, so at least so many, in all and for each second saved.",
            "How many tokens did running in parallel take?",
            Unit.COUNT,
            {
                "parallel tasks, at least": max_by(select_series("parallel_tokens")),
                "a second saved": max_by(select_series("saved_second_tokens")),
            },
            width=12,
            absent="not known",
        ),
    ),
)

PARALLELISM = Board(
    id=BoardId.PARALLELISM,
    title="Stretto / Parallelism",
    asks="What does running agents side by side gain, where is the gain lost, and what does it cost?",
    rows=(_GAIN, _TYPES, _SURE, _TREE, _PRICE),
)
