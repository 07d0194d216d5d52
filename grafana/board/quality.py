"""The dashboard of quality and adoption: scores, integration of results, use of parallel work."""

from __future__ import annotations

from grafana.board import change
from grafana.board.board import Board, Row
from grafana.board.limit import FALLING, make_steps
from grafana.board.link import BoardId, Link, list_sessions
from grafana.board.panel import Column, Unit, draw_limit, make_bars, make_lines, make_stat, make_table
from grafana.board.query import (
    divide_sums,
    max_by,
    select_series,
    share_completed,
    share_outcome,
    share_value,
    sum_by,
)

from stretto.names import Label

_CHECKED = select_series("window_fanouts_checked")
_INTEGRATED = select_series("window_fanouts_integrated")
_OF_SCORES = (Label.SCORE, Label.TASK_TYPE)

_SCORE = Row(
    "Efficiency score and its parts",
    (
        make_stat(
            "Efficiency score of all",
            "Weighted from the four dimensions, 0 to 100, and the least and most that it can be.",
            "How well is the whole run?",
            Unit.PLAIN,
            {
                "score": change.compute_score(),
                "at least": max_by(select_series("efficiency_score_low")),
                "at most": max_by(select_series("efficiency_score_high")),
            },
            steps=make_steps("efficiency_score", low=True),
            high=100,
            decimals=0,
            height=8,
            absent="withheld",
        ),
        make_bars(
            "Dimensions",
            "Time, resource, quality and workflow, each 0 to 100.",
            "Which dimension pulls the score down?",
            Unit.PLAIN,
            max_by(select_series("efficiency_dimension_score"), Label.DIMENSION),
            legend="{{dimension}}",
            high=100,
        ),
        make_table(
            "Parts of the dimensions",
            "Every known part, 0 to 100; what is not known is missing.",
            "Which part should be mended first?",
            {Label.DIMENSION: "Dimension", Label.PART: "Part"},
            Column(
                "Score",
                max_by(select_series("efficiency_part_score"), Label.DIMENSION, Label.PART),
                Unit.PLAIN,
                high=100,
            ),
            width=12,
            height=8,
        ),
    ),
)

_QUALITY = Row(
    "Quality",
    (
        make_table(
            "Task types",
            "Quality, outcomes and second attempts of every task type.",
            "Which kind of work is not good enough?",
            {Label.TASK_TYPE: "Task type"},
            Column("Tasks", sum_by(select_series("window_tasks"), Label.TASK_TYPE), Unit.COUNT),
            Column(
                "Quality",
                max_by(select_series("quality_score"), Label.TASK_TYPE),
                Unit.PLAIN,
                make_steps("quality_score", low=True),
                high=10,
            ),
            Column(
                "At least", max_by(select_series("quality_score_low"), Label.TASK_TYPE), Unit.PLAIN, high=10
            ),
            Column(
                "At most", max_by(select_series("quality_score_high"), Label.TASK_TYPE), Unit.PLAIN, high=10
            ),
            Column("Current", max_by(select_series("quality_current"), Label.TASK_TYPE), Unit.PLAIN, high=10),
            Column(
                "Change in a day",
                max_by(select_series("quality_rate_per_day"), Label.TASK_TYPE),
                Unit.PLAIN,
                FALLING,
                low=None,
            ),
            Column("Volatility", max_by(select_series("quality_volatility"), Label.TASK_TYPE), Unit.PLAIN),
            Column(
                "Success",
                max_by(select_series("success_ratio"), Label.TASK_TYPE),
                Unit.RATIO,
                make_steps("success_ratio", low=True),
                high=1,
            ),
            Column("Completion", share_completed("window_tasks", Label.TASK_TYPE), Unit.RATIO, high=1),
            Column("Retries", max_by(select_series("retry_ratio"), Label.TASK_TYPE), Unit.RATIO, high=1),
            Column(
                "Recovered",
                divide_sums(
                    select_series("window_recoveries"), select_series("window_retries"), Label.TASK_TYPE
                ),
                Unit.RATIO,
                high=1,
            ),
            Column(
                "Until recovered, median",
                max_by(select_series("recovery_quantile_seconds", stat="p50"), Label.TASK_TYPE),
                Unit.SECONDS,
            ),
            Column(
                "Time retried", sum_by(select_series("retry_work_seconds"), Label.TASK_TYPE), Unit.SECONDS
            ),
            links=(
                Link(BoardId.QUALITY, "This task type only", Label.TASK_TYPE),
                Link(BoardId.AGENTS, "Agents at it", Label.TASK_TYPE),
                list_sessions(Label.TASK_TYPE),
            ),
        ),
        make_lines(
            "Quality by task type",
            "Mean of the known parts, 0 to 10.",
            "Does quality hold while work gets faster?",
            Unit.PLAIN,
            {"{{task_type}}": max_by(select_series("quality_score"), Label.TASK_TYPE)},
            draw_limit("quality_score", "critical"),
            draw_limit("quality_score", "info"),
            high=10,
        ),
        make_lines(
            "Success by task type",
            "Share of tasks with a known outcome that succeeded.",
            "Which kind of work fails, and since when?",
            Unit.RATIO,
            {"{{task_type}}": share_outcome("window_tasks", "success", Label.TASK_TYPE)},
            draw_limit("success_ratio", "warning"),
            draw_limit("success_ratio", "critical"),
            high=1,
        ),
        make_table(
            "Parts of quality",
            "Completeness, consistency, depth, actionability and parity, each 0 to 10.",
            "What is the work lacking?",
            {Label.TASK_TYPE: "Task type", Label.PART: "Part"},
            Column(
                "Score",
                max_by(select_series("quality_part_score"), Label.TASK_TYPE, Label.PART),
                Unit.PLAIN,
                high=10,
            ),
            width=12,
            height=8,
        ),
        make_bars(
            "Code quality",
            "Mean of the scores of that name, as given from outside.",
            "Is the code good enough to keep?",
            Unit.PLAIN,
            max_by(select_series("score_mean", score="code_quality"), Label.TASK_TYPE),
            legend="{{task_type}}",
            steps=make_steps("code_quality", low=True),
            high=100,
        ),
        make_table(
            "Synthesis and satisfaction",
            "Means of the scores of these names, as given from outside, each on its scale.",
            "Are parallel results put together well, and are people content?",
            {Label.TASK_TYPE: "Task type"},
            Column(
                "Synthesis, of 100",
                max_by(select_series("score_mean", score="synthesis"), Label.TASK_TYPE),
                Unit.PLAIN,
                make_steps("synthesis", low=True),
                high=100,
            ),
            Column(
                "Satisfaction, of 5",
                max_by(select_series("score_mean", score="satisfaction"), Label.TASK_TYPE),
                Unit.PLAIN,
                make_steps("satisfaction", low=True),
                high=5,
            ),
        ),
        make_bars(
            "Security findings",
            "Findings reported in the window, added up.",
            "Did the work open a hole?",
            Unit.COUNT,
            sum_by(select_series("window_score_points", score="security_findings"), Label.TASK_TYPE),
            legend="{{task_type}}",
            steps=make_steps("security_findings"),
        ),
        make_table(
            "Scores given from outside",
            "Mean of what people and programs said of the work, each in its own scale.",
            "What do others think of it?",
            {Label.SCORE: "Score", Label.TASK_TYPE: "Task type"},
            Column("Given", sum_by(select_series("window_scores"), *_OF_SCORES), Unit.COUNT),
            Column("Off scale", sum_by(select_series("window_scores_off_scale"), *_OF_SCORES), Unit.COUNT),
            Column(
                "Mean",
                divide_sums(
                    select_series("window_score_points"), select_series("window_scores"), *_OF_SCORES
                ),
                Unit.PLAIN,
                low=None,
            ),
            width=12,
            height=8,
        ),
    ),
)

_INTEGRATION = Row(
    "Integration",
    (
        make_stat(
            "Integration success",
            "Share of checked parallel executions whose results fit together.",
            "Do the pieces fit?",
            Unit.RATIO,
            divide_sums(_INTEGRATED, _CHECKED),
            high=1,
            absent="not known",
        ),
        make_stat(
            "Conflicts",
            "Parallel executions in which two tasks wrote the same file, or a task was declared to conflict.",
            "Do agents get into each other's way?",
            Unit.COUNT,
            sum_by(select_series("window_conflicts")),
            steps=make_steps("conflicts"),
        ),
        make_lines(
            "Integration by pattern",
            "Share of checked parallel executions whose results fit together.",
            "Which way of working gives pieces that fit?",
            Unit.RATIO,
            {"{{pattern}}": divide_sums(_INTEGRATED, _CHECKED, Label.PATTERN)},
            high=1,
            height=5,
        ),
    ),
)

_ADOPTION = Row(
    "Adoption",
    (
        make_stat(
            "Adoption",
            "Share of turns with two or more tasks whose tasks ran in parallel.",
            "Is running in parallel used where it could be?",
            Unit.RATIO,
            change.compute_adoption(),
            steps=make_steps("adoption_ratio", low=True),
            high=1,
            height=8,
            absent="too few turns",
        ),
        make_lines(
            "Turns that could and did",
            "Turns with two or more tasks, and those whose tasks ran in parallel.",
            "Is parallel work catching on?",
            Unit.COUNT,
            {
                "could": max_by(select_series("window_eligible_turns")),
                "did": max_by(select_series("window_parallel_turns")),
            },
        ),
        make_bars(
            "Parallel tasks by agent",
            "An agent's tasks inside parallel executions over all of them.",
            "Which agents are used side by side?",
            Unit.RATIO,
            max_by(select_series("agent_parallel_ratio"), Label.AGENT),
            legend="{{agent}}",
            high=1,
            links=(Link(BoardId.AGENTS, "This agent", Label.AGENT), list_sessions(Label.AGENT)),
        ),
    ),
)

_TESTS = Row(
    "Tests that agents ran",
    (
        make_stat(
            "Test runs that passed",
            "Share of test runs with a known outcome that succeeded.",
            "Do agents leave the tests green?",
            Unit.RATIO,
            share_outcome("window_test_runs", "success"),
            high=1,
            height=8,
        ),
        make_stat(
            "Time in tests",
            "Time spent running tests over the execution time of all tool calls.",
            "Do tests take up too much of the agents' time?",
            Unit.RATIO,
            divide_sums(select_series("window_test_seconds"), select_series("window_tool_seconds")),
            high=1,
            height=8,
        ),
        make_table(
            "Test frameworks",
            "Runs, single tests and times of every framework.",
            "Which tests fail or hold agents up?",
            {Label.FRAMEWORK: "Framework"},
            Column("Runs", sum_by(select_series("window_test_runs"), Label.FRAMEWORK), Unit.COUNT),
            Column(
                "Passed runs",
                share_outcome("window_test_runs", "success", Label.FRAMEWORK),
                Unit.RATIO,
                high=1,
            ),
            Column("Tests", sum_by(select_series("window_tests"), Label.FRAMEWORK), Unit.COUNT),
            Column(
                "Passed tests",
                share_value("window_tests", Label.RESULT, "passed", Label.FRAMEWORK),
                Unit.RATIO,
                high=1,
            ),
            Column("Skipped", sum_by(select_series("window_tests_skipped"), Label.FRAMEWORK), Unit.COUNT),
            Column(
                "Chosen to run",
                divide_sums(
                    select_series("window_tests_selected"),
                    select_series("window_tests_collected"),
                    Label.FRAMEWORK,
                ),
                Unit.RATIO,
                high=1,
            ),
            Column(
                "Answered by a cache",
                divide_sums(
                    select_series("window_test_parts_cached"),
                    select_series("window_test_parts"),
                    Label.FRAMEWORK,
                ),
                Unit.RATIO,
                high=1,
            ),
            Column(
                "Choices compared",
                sum_by(select_series("window_test_selection_runs"), Label.FRAMEWORK),
                Unit.COUNT,
            ),
            Column(
                "Saved by choosing",
                divide_sums(
                    select_series("window_test_selection_saved_seconds"),
                    select_series("window_test_selection_full_seconds"),
                    Label.FRAMEWORK,
                ),
                Unit.RATIO,
                high=1,
            ),
            Column(
                "Time, p95",
                max_by(select_series("test_run_duration_quantile_seconds", stat="p95"), Label.FRAMEWORK),
                Unit.SECONDS,
            ),
            width=16,
            height=8,
        ),
    ),
)

QUALITY = Board(
    id=BoardId.QUALITY,
    title="Stretto / Quality and adoption",
    asks="Is the work any good, does it fit together, and is running in parallel used?",
    rows=(_SCORE, _QUALITY, _INTEGRATION, _ADOPTION, _TESTS),
)
