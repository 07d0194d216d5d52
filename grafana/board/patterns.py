"""The dashboard of patterns and phases: which workflows pay, and where a session's time is spent."""

from __future__ import annotations

from grafana.board import change
from grafana.board.board import Board, Row
from grafana.board.limit import INFO, make_steps
from grafana.board.link import BoardId, Link, list_sessions
from grafana.board.panel import LIVE, Column, Unit, draw_limit, make_bars, make_lines, make_stat, make_table
from grafana.board.query import (
    divide_sums,
    max_by,
    measure_age,
    select_series,
    share_outcome,
    sum_by,
    take_quantile,
)

from stretto.names import Label

_PATTERNS = Row(
    "Patterns",
    (
        make_table(
            "Patterns",
            "Sessions, outcomes, times, efficiency and integration of every pattern.",
            "Which way of working should be used more, and which less?",
            {Label.PATTERN: "Pattern"},
            Column("Sessions", sum_by(select_series("window_sessions"), Label.PATTERN), Unit.COUNT),
            Column(
                "Success",
                share_outcome("window_sessions", "success", Label.PATTERN),
                Unit.RATIO,
                make_steps("session_success_ratio", low=True),
                high=1,
            ),
            Column(
                "Adoption",
                divide_sums(
                    select_series("pattern_parallel_turns"),
                    select_series("pattern_eligible_turns"),
                    Label.PATTERN,
                ),
                Unit.RATIO,
                high=1,
            ),
            Column(
                "Time, median",
                max_by(select_series("session_duration_quantile_seconds", stat="p50"), Label.PATTERN),
                Unit.SECONDS,
            ),
            Column(
                "Time, p95",
                max_by(select_series("session_duration_quantile_seconds", stat="p95"), Label.PATTERN),
                Unit.SECONDS,
            ),
            Column(
                "Efficiency score",
                max_by(select_series("pattern_efficiency_score"), Label.PATTERN),
                Unit.PLAIN,
                make_steps("efficiency_score", low=True),
                high=100,
            ),
            Column(
                "Score at least",
                max_by(select_series("pattern_efficiency_score_low"), Label.PATTERN),
                Unit.PLAIN,
                high=100,
            ),
            Column(
                "Score at most",
                max_by(select_series("pattern_efficiency_score_high"), Label.PATTERN),
                Unit.PLAIN,
                high=100,
            ),
            Column(
                "Integrated",
                max_by(select_series("integration_success_ratio"), Label.PATTERN),
                Unit.RATIO,
                high=1,
            ),
            Column(
                "Conflicts",
                sum_by(select_series("window_conflicts"), Label.PATTERN),
                Unit.COUNT,
                make_steps("conflicts"),
            ),
            Column(
                "Could save",
                sum_by(select_series("opportunity_seconds"), Label.PATTERN),
                Unit.SECONDS,
                make_steps("opportunity_seconds", of=INFO),
            ),
            Column(
                "Quality", max_by(select_series("pattern_quality_score"), Label.PATTERN), Unit.PLAIN, high=10
            ),
            Column("Speedup", max_by(select_series("pattern_speedup"), Label.PATTERN), Unit.TIMES),
            Column("Saved", sum_by(select_series("pattern_saved_seconds"), Label.PATTERN), Unit.SECONDS),
            Column(
                "Parallel cost",
                sum_by(select_series("pattern_parallel_cost_usd"), Label.PATTERN),
                Unit.MONEY,
            ),
            Column("Best speedup", max_by(select_series("best_speedup"), Label.PATTERN), Unit.TIMES),
            Column(
                "Best, how long ago",
                measure_age(max_by(select_series("best_speedup_timestamp_seconds"), Label.PATTERN)),
                Unit.SECONDS,
                make_steps("record_age_seconds", low=True, of=INFO),
            ),
            links=(
                list_sessions(Label.PATTERN),
                Link(BoardId.PATTERNS, "This pattern only", Label.PATTERN),
                Link(BoardId.PARALLELISM, "Its parallelism", Label.PATTERN),
            ),
        ),
        make_table(
            "Whole workflows",
            "Sessions beside the hours configured for their pattern, credited by delivered tasks.",
            "Does a whole workflow take less time than by hand?",
            {Label.PATTERN: "Pattern"},
            Column("Sessions", sum_by(select_series("workflow_sessions"), Label.PATTERN), Unit.COUNT),
            Column(
                "By hand", sum_by(select_series("workflow_configured_seconds"), Label.PATTERN), Unit.SECONDS
            ),
            Column(
                "Delivered",
                divide_sums(
                    select_series("workflow_credited_seconds"),
                    select_series("workflow_configured_seconds"),
                    Label.PATTERN,
                ),
                Unit.RATIO,
                high=1,
            ),
            Column(
                "Credited", sum_by(select_series("workflow_credited_seconds"), Label.PATTERN), Unit.SECONDS
            ),
            Column("Took", sum_by(select_series("workflow_elapsed_seconds"), Label.PATTERN), Unit.SECONDS),
            Column("Saved", sum_by(select_series("workflow_saved_seconds"), Label.PATTERN), Unit.SECONDS),
            Column(
                "Speedup",
                divide_sums(
                    select_series("workflow_credited_seconds"),
                    select_series("workflow_elapsed_seconds"),
                    Label.PATTERN,
                ),
                Unit.TIMES,
            ),
            height=6,
        ),
        make_lines(
            "Pattern efficiency",
            "Efficiency score of each pattern, 0 to 100.",
            "Which pattern gets better or worse?",
            Unit.PLAIN,
            {"{{pattern}}": max_by(select_series("pattern_efficiency_score"), Label.PATTERN)},
            high=100,
        ),
        make_lines(
            "Parallel executions by pattern",
            "Parallel executions that ended in the window before each instant.",
            "Which patterns are used?",
            Unit.COUNT,
            {"{{pattern}}": sum_by(select_series("window_fanouts"), Label.PATTERN)},
            stacked=True,
        ),
    ),
)

_SESSIONS = Row(
    "Sessions",
    (
        make_stat(
            "Average session time",
            "Wall time of all sessions that ended, over their number; no pattern or source narrows it.",
            "How long does a session take?",
            Unit.SECONDS,
            change.compute_average_session(),
        ),
        make_stat(
            "Turn, median and p95",
            "Wall time from a prompt to the end of the answer.",
            "How long does a person wait for an answer?",
            Unit.SECONDS,
            {
                "median": max_by(select_series("turn_duration_quantile_seconds", stat="p50")),
                "p95": max_by(select_series("turn_duration_quantile_seconds", stat="p95")),
            },
        ),
        make_bars(
            "Where session time goes",
            "Wall time of sessions that ended, each instant in exactly one part.",
            "What do sessions spend their time on?",
            Unit.SECONDS,
            sum_by(select_series("session_wall_seconds"), Label.PART),
            legend="{{part}}",
        ),
        make_bars(
            "Sessions by outcome",
            "Sessions that ended in the window, by outcome.",
            "How do sessions end?",
            Unit.COUNT,
            sum_by(select_series("window_sessions"), Label.OUTCOME),
            legend="{{outcome}}",
        ),
        make_lines(
            "Session time by pattern, p95",
            "Nineteen of twenty sessions of a pattern took no longer.",
            "Which pattern became slower?",
            Unit.SECONDS,
            {
                "{{pattern}}": max_by(
                    select_series("session_duration_quantile_seconds", stat="p95"), Label.PATTERN
                )
            },
        ),
        make_lines(
            "Session success by pattern",
            "Share of sessions with a known outcome that succeeded.",
            "Which pattern fails, and since when?",
            Unit.RATIO,
            {"{{pattern}}": share_outcome("window_sessions", "success", Label.PATTERN)},
            draw_limit("session_success_ratio", "critical"),
            high=1,
        ),
        make_lines(
            "Parts of session time",
            "Share of each part of the sessions' wall time; the parts sum to the whole.",
            "Does waiting grow at the cost of work?",
            Unit.RATIO,
            {
                "{{part}}": f"{sum_by(select_series('session_wall_seconds'), Label.PART)}"
                f" / scalar ({sum_by(select_series('session_wall_seconds'))})"
            },
            stacked=True,
            high=1,
        ),
        make_lines(
            "Session and turn time by source, live p95",
            f"{LIVE}sessions and turns by client; over imported history see Session time by pattern, p95.",
            "Is a client slower than the others?",
            Unit.SECONDS,
            {
                "session {{source}}": take_quantile(0.95, "session_duration_seconds", Label.SOURCE),
                "turn {{source}}": take_quantile(0.95, "turn_duration_seconds", Label.SOURCE),
            },
        ),
        make_lines(
            "Critical path and overhead",
            "Critical path over wall time of the sessions that ended, and the cost of watching as a share of"
            " the agents' own time: hooks, those of other tools too, the Python API and the service, and each"
            " of these parts where it is known.",
            "How much of a session could not have been shorter however many agents ran, and what does"
            " watching cost?",
            Unit.RATIO,
            {
                "critical path": divide_sums(
                    select_series("critical_path_seconds"), select_series("session_wall_seconds")
                ),
                "watching": divide_sums(
                    select_series("window_overhead_seconds"), select_series("window_agents_working_seconds")
                ),
                "{{part}}": divide_sums(
                    select_series("window_overhead_part_seconds"),
                    select_series("window_overhead_known_seconds"),
                    Label.PART,
                ),
            },
            draw_limit("overhead_ratio", "warning"),
            high=1,
        ),
    ),
)

_PATH = Row(
    "What decides the end",
    (
        make_bars(
            "Critical path by task type",
            "Part of the critical paths that tasks of a type were.",
            "Which work must become shorter for sessions to end sooner?",
            Unit.SECONDS,
            sum_by(select_series("critical_path_task_type_seconds"), Label.TASK_TYPE),
            legend="{{task_type}}",
            width=12,
        ),
        make_bars(
            "Slack by task type",
            "How much longer a type's tasks could have taken without delaying the end of a session.",
            "Which work may take its time?",
            Unit.SECONDS,
            max_by(select_series("slack_task_type_seconds"), Label.TASK_TYPE),
            legend="{{task_type}}",
            width=12,
        ),
    ),
)

_PHASES = Row(
    "Phases",
    (
        make_table(
            "Phases",
            "Number, success and time of every phase.",
            "Which stage of the work holds sessions up?",
            {Label.PHASE: "Phase"},
            Column("Ended", sum_by(select_series("window_phases"), Label.PHASE), Unit.COUNT),
            Column("Success", max_by(select_series("phase_success_ratio"), Label.PHASE), Unit.RATIO, high=1),
            Column("Conflicts", sum_by(select_series("window_phase_conflicts"), Label.PHASE), Unit.COUNT),
            Column(
                "Time, median",
                max_by(select_series("phase_duration_quantile_seconds", stat="p50"), Label.PHASE),
                Unit.SECONDS,
            ),
            Column(
                "Time, p95",
                max_by(select_series("phase_duration_quantile_seconds", stat="p95"), Label.PHASE),
                Unit.SECONDS,
            ),
            width=12,
            height=8,
            links=(Link(BoardId.PATTERNS, "This phase only", Label.PHASE),),
        ),
        make_lines(
            "Phase time, p95",
            "Nineteen of twenty runs of a phase took no longer.",
            "Which stage became slower?",
            Unit.SECONDS,
            {"{{phase}}": max_by(select_series("phase_duration_quantile_seconds", stat="p95"), Label.PHASE)},
        ),
        make_lines(
            "Phase success",
            "Share of phases with a known outcome that succeeded.",
            "Which stage fails, and since when?",
            Unit.RATIO,
            {"{{phase}}": share_outcome("window_phases", "success", Label.PHASE)},
            high=1,
        ),
        make_lines(
            "Phase time, live median",
            f"{LIVE}how long phases took; over imported history see Phase time, p95.",
            "How long do stages take right now?",
            Unit.SECONDS,
            {"{{phase}}": take_quantile(0.5, "phase_duration_seconds", Label.PHASE)},
        ),
        make_lines(
            "Task time, live p95",
            f"{LIVE}how long tasks took, by kind; over imported history see Task time by type, p95.",
            "Is a kind of work slow right now?",
            Unit.SECONDS,
            {"{{task_type}}": take_quantile(0.95, "task_duration_seconds", Label.TASK_TYPE)},
            width=8,
        ),
    ),
)

PATTERNS = Board(
    id=BoardId.PATTERNS,
    title="Stretto / Patterns and phases",
    asks="Which ways of working pay, and where does the time of a session go?",
    rows=(_PATTERNS, _SESSIONS, _PATH, _PHASES),
)
