"""How good the work was, how agents worked together, and the scores made of it."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, define_gauge

_T, _A, _P, _W = Label.TASK_TYPE, Label.AGENT, Label.PATTERN, Label.WINDOW

QUALITY: tuple[Metric, ...] = (
    define_gauge(
        "stretto_window_scores", "1", (Label.SCORE, _T, _W), "Scores given from outside in the window."
    ),
    define_gauge(
        "stretto_window_scores_off_scale",
        "1",
        (Label.SCORE, _T, _W),
        "Scores given from outside that lie outside their scale and count for nothing.",
    ),
    define_gauge(
        "stretto_score_mean",
        "1",
        (Label.SCORE, _T, _W),
        "Mean of the scores given from outside, each in its own scale.",
    ),
    define_gauge(
        "stretto_window_score_points",
        "1",
        (Label.SCORE, _T, _W),
        "Sum of the scores given from outside, each in its own scale.",
    ),
    define_gauge(
        "stretto_score_agent_mean",
        "1",
        (Label.SCORE, _A, _W),
        "Mean of the scores given from outside to an agent's tasks, each in its own scale.",
    ),
    define_gauge(
        "stretto_score_current",
        "1",
        (Label.SCORE, _W),
        "Mean of a score from outside on the newest day with one, in its own scale.",
    ),
    define_gauge(
        "stretto_score_rate_per_day",
        "1",
        (Label.SCORE, _W),
        "How much a score from outside rises or falls in a day, in its own scale.",
    ),
    define_gauge(
        "stretto_score_volatility",
        "1",
        (Label.SCORE, _W),
        "Standard deviation of the daily means of a score from outside, in its own scale.",
    ),
    define_gauge("stretto_agent_quality_score", "1", (_A, _W), "Quality of an agent's tasks from 0 to 10."),
    define_gauge(
        "stretto_pattern_quality_score", "1", (_P, _W), "Quality of the tasks of a pattern from 0 to 10."
    ),
    define_gauge(
        "stretto_quality_score", "1", (_T, _W), "Quality of tasks from 0 to 10: the mean of its parts."
    ),
    define_gauge(
        "stretto_quality_part_score",
        "1",
        (_T, Label.PART, _W),
        "One part of quality from 0 to 10, such as completeness, consistency or parity.",
    ),
    define_gauge(
        "stretto_quality_current", "1", (_T, _W), "Quality score of the newest day with one, from 0 to 10."
    ),
    define_gauge(
        "stretto_quality_rate_per_day", "1", (_T, _W), "How much the quality score rises or falls in a day."
    ),
    define_gauge(
        "stretto_quality_volatility", "1", (_T, _W), "Standard deviation of the daily quality score."
    ),
    define_gauge(
        "stretto_window_fanouts_checked",
        "1",
        (_P, _W),
        "Parallel executions of which it is known whether their results fit together.",
    ),
    define_gauge(
        "stretto_window_fanouts_integrated",
        "1",
        (_P, _W),
        "Parallel executions whose tasks wrote no file in common and whose checks passed.",
    ),
    define_gauge(
        "stretto_integration_success_ratio",
        "1",
        (_P, _W),
        "Parallel executions whose results fit together over those of which it is known.",
        "stretto_window_fanouts_integrated",
        "stretto_window_fanouts_checked",
    ),
    define_gauge(
        "stretto_window_conflicts",
        "1",
        (_P, _W),
        "Parallel executions in which two tasks wrote the same file, or a task was declared to conflict.",
    ),
    define_gauge(
        "stretto_window_phase_conflicts",
        "1",
        (Label.PHASE, _W),
        "These executions, by the phase that the tasks in conflict worked in.",
    ),
    define_gauge("stretto_window_eligible_turns", "1", (_W,), "Turns with two or more tasks of one parent."),
    define_gauge("stretto_window_parallel_turns", "1", (_W,), "Turns whose tasks ran in parallel."),
    define_gauge(
        "stretto_adoption_ratio",
        "1",
        (_W,),
        "Turns whose tasks ran in parallel over those whose tasks could.",
        "stretto_window_parallel_turns",
        "stretto_window_eligible_turns",
    ),
    define_gauge(
        "stretto_pattern_eligible_turns",
        "1",
        (_P, _W),
        "Turns of a pattern with two or more tasks of one parent.",
    ),
    define_gauge(
        "stretto_pattern_parallel_turns", "1", (_P, _W), "Turns of a pattern whose tasks ran in parallel."
    ),
    define_gauge(
        "stretto_pattern_adoption_ratio",
        "1",
        (_P, _W),
        "Turns of a pattern whose tasks ran in parallel over those whose tasks could.",
        "stretto_pattern_parallel_turns",
        "stretto_pattern_eligible_turns",
    ),
    define_gauge("stretto_window_agents", "1", (_W,), "Agents by name that ended a task."),
    define_gauge(
        "stretto_window_parallel_agents",
        "1",
        (_W,),
        "Those of them that ended a task side by side with others.",
    ),
    define_gauge(
        "stretto_parallel_agents_ratio",
        "1",
        (_W,),
        "Agents that worked side by side with others over all agents.",
        "stretto_window_parallel_agents",
        "stretto_window_agents",
    ),
    define_gauge(
        "stretto_window_agent_parallel_tasks", "1", (_A, _W), "An agent's tasks inside parallel executions."
    ),
    define_gauge(
        "stretto_agent_parallel_ratio",
        "1",
        (_A, _W),
        "An agent's tasks inside parallel executions over all of them.",
        "stretto_window_agent_parallel_tasks",
        "stretto_window_agent_tasks",
    ),
    define_gauge(
        "stretto_efficiency_score",
        "1",
        (_W,),
        "Weighted efficiency from 0 to 100: time, resource, quality and workflow.",
    ),
    define_gauge(
        "stretto_efficiency_dimension_score",
        "1",
        (Label.DIMENSION, _W),
        "One dimension of the efficiency score from 0 to 100.",
    ),
    define_gauge(
        "stretto_efficiency_part_score",
        "1",
        (Label.DIMENSION, Label.PART, _W),
        "One part of a dimension of the efficiency score from 0 to 100.",
    ),
    define_gauge(
        "stretto_pattern_efficiency_score", "1", (_P, _W), "Weighted efficiency of one pattern from 0 to 100."
    ),
    define_gauge(
        "stretto_agent_score",
        "1",
        (_A, _W),
        "Weighted score of an agent from 0 to 100: delivery, quality, collaboration, errors, response.",
    ),
    define_gauge(
        "stretto_collaboration_score",
        "1",
        (_W,),
        "How well agents exchanged messages, from 0 to 100: balance, response, success.",
    ),
    define_gauge(
        "stretto_agent_collaboration_score",
        "1",
        (_A, _W),
        "How well an agent answered messages, from 0 to 100.",
    ),
    define_gauge(
        "stretto_efficiency_score_low",
        "1",
        (_W,),
        "Lowest value that the efficiency score can have, whatever its unknown parts are.",
    ),
    define_gauge(
        "stretto_efficiency_score_high",
        "1",
        (_W,),
        "Highest value that the efficiency score can have, whatever its unknown parts are.",
    ),
    define_gauge(
        "stretto_pattern_efficiency_score_low",
        "1",
        (_P, _W),
        "Lowest value that the efficiency score of a pattern can have, whatever its unknown parts are.",
    ),
    define_gauge(
        "stretto_pattern_efficiency_score_high",
        "1",
        (_P, _W),
        "Highest value that the efficiency score of a pattern can have, whatever its unknown parts are.",
    ),
    define_gauge(
        "stretto_agent_score_low",
        "1",
        (_A, _W),
        "Lowest value that the score of an agent can have, whatever its unknown parts are.",
    ),
    define_gauge(
        "stretto_agent_score_high",
        "1",
        (_A, _W),
        "Highest value that the score of an agent can have, whatever its unknown parts are.",
    ),
    define_gauge(
        "stretto_collaboration_score_low",
        "1",
        (_W,),
        "Lowest value that the collaboration score can have, whatever its unknown parts are.",
    ),
    define_gauge(
        "stretto_collaboration_score_high",
        "1",
        (_W,),
        "Highest value that the collaboration score can have, whatever its unknown parts are.",
    ),
    define_gauge(
        "stretto_quality_score_low",
        "1",
        (_T, _W),
        "Lowest value that the quality score, from 0 to 10 can have, whatever its unknown parts are.",
    ),
    define_gauge(
        "stretto_quality_score_high",
        "1",
        (_T, _W),
        "Highest value that the quality score, from 0 to 10 can have, whatever its unknown parts are.",
    ),
)
