"""Labels of metrics: the closed set of them, and the values that Stretto itself gives them."""

from __future__ import annotations

from enum import StrEnum

PREFIX = "stretto_"
JOB = "stretto"
"""The scrape job, as prometheus.yml names it."""

WINDOWS: dict[str, int] = {"1h": 3_600, "24h": 86_400, "7d": 604_800}
"""Windows of the derived gauges: label value → seconds."""

OTHER = "other"
"""The label value for things without a type, and for series beyond the series budget."""

NONE = "none"
"""The label value for an absent agent, pattern or phase."""

MAIN = "main"
"""The agent label of the main agent, beside those of the agents that it called."""

MAIN_AGENT = "main agent"
"""The main agent as people read it."""

UNNAMED_AGENT = "unnamed agent"
"""An agent of which no source names the kind, as people read it."""


class Label(StrEnum):
    """The closed set of labels. Session ids, paths, prompts and descriptions never become labels."""

    TASK_TYPE = "task_type"
    AGENT = "agent"
    TOOL = "tool"
    PATTERN = "pattern"
    OUTCOME = "outcome"
    BASELINE = "baseline"
    WINDOW = "window"
    STAT = "stat"
    SOURCE = "source"
    PART = "part"
    FACTOR = "factor"
    PHASE = "phase"
    MODEL = "model"
    KIND = "kind"
    CACHE = "cache"
    RESULT = "result"
    FRAMEWORK = "framework"
    SCORE = "score"
    DIMENSION = "dimension"
    DIRECTION = "direction"
    CORE = "core"
    EVENT = "event"
    COMMAND = "command"
    REASON = "reason"
    GROUP = "group"
    VERSION = "version"
    TEAM = "team"
    INSTANCE_ID = "instance_id"
    RULES = "rules"
    LABEL = "label"
    SCOPE = "scope"
    DELIVERY = "delivery"
    NAME = "name"
    """The subject of a finding: task type, agent or pattern, joined by a slash if there are several."""
    ANALYSIS = "analysis"
    STATE = "state"
    PERIOD = "period"
    VERDICT = "verdict"
    EXPERIMENT = "experiment"
    LEVEL = "level"
    BOUND = "bound"
    FEATURE = "feature"
