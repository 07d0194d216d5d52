"""The table of switches: every optional part, its meaning, and how the state of each is decided.

Later places win: the default, the configuration's ``[features]``, ``stretto features``, the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stretto.errors import ConfigError, make_unknown_key_error

LEVEL = "level"
"""The key of the level of collection beside the switches."""

LEVELS = MINIMAL, STANDARD, DETAILED = "minimal", "standard", "detailed"
"""Sessions, turns and tasks; also permissions, notifications, phases and messages; everything."""

PREFIX = "STRETTO_FEATURES_"

_WORDS = {
    "0": False, "false": False, "no": False, "off": False, "1": True, "true": True, "yes": True, "on": True,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Feature:
    """An optional part."""

    name: str
    group: str
    """``collection``, ``analysis``, ``service`` or ``program``."""
    text: str
    """What is missing while it is off."""

    @property
    def variable(self) -> str:
        """The environment variable that decides it."""
        return PREFIX + self.name.upper()


ANALYSIS = "analysis_"
"""Prefix of the switch of an analysis; the rest is the analysis' name."""

_ANALYSES = {
    "changes": "whether lengths, failures, tokens or money changed",
    "holdups": "what holds sessions up",
    "experiments": "how experiments stand",
    "advice": "recommendations",
    "effects": "what applied recommendations brought",
    "widths": "how many agents side by side pay",
    "gains": "what each further agent brings",
    "conditions": "under which circumstances sessions succeed or fail",
    "trends": "trends over 30 and 90 days",
    "unusual": "days with more unusually long tasks than by chance",
    "caches": "caches that are useless or too small",
    "agents": "agents compared with each other",
    "comparisons": "patterns compared with each other",
    "slow_times": "slow hours and weekdays",
    "lives": "whether sessions slow down",
    "correlations": "quantities of days that go together",
    "weeks": "the last week beside the weeks before",
    "outlooks": "the lengths of the next days, and how often such ranges held",
    "lengths": "the expected length of each kind of task",
}
"""Analysis → the answer that is missing while it is off."""

FEATURES: dict[str, Feature] = {
    feature.name: feature
    for feature in (
        Feature("executions", "collection", "calls of tools, but for those that start agents"),
        Feature("resources", "collection", "processor, memory and disk of the agents' processes"),
        Feature("agents", "collection", "which agent did a task"),
        Feature("tests", "collection", "test runs inside tool calls, and their results"),
        Feature("caches", "collection", "hits and misses of the programs' caches"),
        *(Feature(ANALYSIS + name, "analysis", text) for name, text in _ANALYSES.items()),
        Feature("alerting", "service", "Alertmanager, notifications, spoken and desktop alerts"),
        Feature("dashboards", "service", "the pages; figures stay at /metrics and /api"),
        Feature("reports", "service", "reports at midnight; stretto report still makes them"),
        Feature("caching", "program", "answers of stretto.caching; everything is computed"),
        Feature("warming", "program", "results that stretto.caching computes ahead of their calls"),
        Feature("similar_answers", "program", "results of similar calls; find_similar answers with None"),
        Feature("experiments", "program", "other arms of experiments; choose_arm gives the usual one"),
    )
}
"""Name → switch. A new optional part is added here, and asks ``FeatureStates`` or ``ProgramSwitch``."""

RETIRED = {"analysis_calendar": "analysis_slow_times", "analysis_forecast": "analysis_outlooks"}
"""Switch that a version has taken away → the switch of the part that answers instead."""

LEVEL_VARIABLE = PREFIX + LEVEL.upper()


@dataclass(frozen=True, slots=True)
class FeatureState:
    """Whether a part is on, and the place that decided it. The level's state is its word."""

    name: str
    value: bool | str
    origin: str


@dataclass(frozen=True, slots=True)
class FeatureStates:
    """The state of each part, and the level of collection."""

    states: Mapping[str, FeatureState]
    notes: tuple[str, ...] = ()
    """A sentence on each kept switch that has no effect any more."""

    def is_on(self, name: str) -> bool:
        """Whether a part is on."""
        return self.states[name].value is True

    @property
    def level(self) -> str:
        """How much of a session is collected."""
        return str(self.states[LEVEL].value)

    def list_off(self) -> list[str]:
        """Return the names of the parts that are off."""
        return [name for name in FEATURES if not self.is_on(name)]

    @property
    def off_analyses(self) -> frozenset[str]:
        """The names of the analyses that are off."""
        return frozenset(
            name.removeprefix(ANALYSIS) for name in self.list_off() if FEATURES[name].group == "analysis"
        )


DEFAULT_STATES = FeatureStates(
    {
        **{name: FeatureState(name, True, "default") for name in FEATURES},
        LEVEL: FeatureState(LEVEL, DETAILED, "default"),
    }
)
"""The states if nothing decides otherwise: everything is on."""


def decide_feature_states(
    file_values: Mapping[str, Any],
    changes: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    file: str,
    changed: str,
) -> FeatureStates:
    """Return the states. ``file`` and ``changed`` name the places of the first two for people.

    A retired name among the changes is left out with a note: a new version must not stop by what an
    earlier one wrote. Raises ConfigError for an unknown name or a value that is neither on nor off.
    """
    variables = {
        name: environ[variable]
        for name, variable in [
            *((name, each.variable) for name, each in FEATURES.items()),
            (LEVEL, LEVEL_VARIABLE),
        ]
        if environ.get(variable)
    }
    notes = [f"{changed}: {describe_retired(name)}" for name in changes if name in RETIRED]
    kept = {name: value for name, value in changes.items() if name not in RETIRED}
    states = dict(DEFAULT_STATES.states)
    for values, place in ((file_values, file), (kept, changed), (variables, "")):
        for name, value in values.items():
            origin = place or (LEVEL_VARIABLE if name == LEVEL else FEATURES[name].variable)
            states[name] = FeatureState(name, parse_feature_value(name, value, origin), origin)
    return FeatureStates(states, tuple(notes))


def describe_retired(name: str) -> str:
    """Return a sentence on a retired switch."""
    return f"the switch {name} is gone and without effect; {RETIRED[name]} decides instead"


def parse_feature_value(name: str, value: Any, origin: str) -> bool | str:
    """Return the value of a switch or of the level. Raises ConfigError."""
    if name == LEVEL:
        if value not in LEVELS:
            raise ConfigError(
                f"{name} must be one of {', '.join(LEVELS)}", where=origin, cause=f"it is {value!r}"
            )
        return str(value)
    if name not in FEATURES:
        raise make_unknown_key_error(name, [*FEATURES, LEVEL], origin)
    state = _WORDS.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(state, bool):
        raise ConfigError(f"{name} must be on or off", where=origin, cause=f"it is {value!r}")
    return state
