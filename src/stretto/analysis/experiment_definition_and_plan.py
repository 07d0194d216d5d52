"""Define an experiment, plan how many runs each arm needs, and assign sessions to arms."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from scipy import optimize, special, stats

from stretto.analysis.planned_and_anytime_looks import MOST_LOOKS, compute_look_inflation
from stretto.errors import UsageError, find_nearest_word

FEWEST_PER_LOOK = 5
"""Fewest runs of an arm at the first look: below it a spread is a guess."""

TYPICAL_SPREAD = 0.62
"""Spread of the logarithms of task lengths within a type, if no history is known."""

BLOCK = 4
"""Sessions of a block, half of them per arm."""

MOST_UNITS = 1_000_000
"""More runs per arm than anybody makes; a plan that needs them is refused."""


class ExperimentMetric(StrEnum):
    """The value of a session that an experiment compares."""

    TASK_SECONDS = "task_seconds"
    """Mean logarithm of the lengths of its delivered tasks, compared within task types."""
    ELAPSED_SECONDS = "elapsed_seconds"
    """Elapsed time of its parallel executions."""
    WALL_SECONDS = "wall_seconds"
    """Its wall time without waiting for a person and without idle time."""
    TOKENS = "tokens"
    DOLLARS = "dollars"
    SUCCESS = "success"
    """Whether it succeeded; sessions without a reported outcome are left out."""
    SCORE = "score"
    """A judgement, by the values that the caller passes."""

    @property
    def less_is_better(self) -> bool:
        """Whether a smaller value is an improvement."""
        return self not in {ExperimentMetric.SUCCESS, ExperimentMetric.SCORE}


@dataclass(frozen=True, slots=True)
class ExperimentDefinition:
    """An experiment of two arms: everything that is decided before its first run."""

    name: str
    metric: ExperimentMetric
    units: int
    """Planned runs (or pairs) per arm."""
    arms: tuple[str, str] = ("A", "B")
    """The usual way, and the new one."""
    label: str = "arm"
    """Key of the session label that names the arm."""
    by_pattern: bool = True
    """Whether sessions are compared within their pattern."""
    pair_by: str | None = None
    """Key of the session label that names the same work in both arms, if it is paired."""
    looks: int = 1
    level: float = 0.05
    start: int = 0
    """When it began (ns); earlier runs do not count."""

    @property
    def look_sizes(self) -> tuple[int, ...]:
        """Runs per arm at each planned look; the last is ``units``."""
        return tuple(math.ceil(self.units * (look + 1) / self.looks) for look in range(self.looks))


def define_experiment(
    name: str,
    *,
    metric: str,
    arms: tuple[str, ...] = ("A", "B"),
    smallest_effect: float,
    spread: float = TYPICAL_SPREAD,
    base_share: float | None = None,
    looks: int = 1,
    power: float = 0.8,
    label: str = "arm",
    by_pattern: bool = True,
    pair_by: str | None = None,
    start: int = 0,
) -> ExperimentDefinition:
    """Return a definition with as many runs per arm as find the smallest effect of interest.

    ``smallest_effect`` is a ratio such as 1.2 for lengths, tokens and money, a difference of shares for
    ``success`` (with ``base_share`` as the usual share), and a multiple of the spread for ``score``.
    ``spread`` is that of the logarithm of the metric from session to session; of a pair's difference if
    ``pair_by`` is given. Raises UsageError for anything that cannot be an experiment.
    """
    attempt = f"cannot define the experiment {name!r}"
    if metric not in set(ExperimentMetric):
        nearest = find_nearest_word(metric, ExperimentMetric)
        hint = f"did you mean {nearest}?" if nearest else f"known: {', '.join(ExperimentMetric)}"
        raise UsageError(attempt, cause=f"no metric {metric!r}", hint=hint)
    if not name or len(arms) != 2 or arms[0] == arms[1] or not all(arms):  # noqa: PLR2004  # A and B
        raise UsageError(
            attempt,
            cause=f"it needs a name and two different arms, not {arms}",
            hint="compare three variants by two experiments",
        )
    if not 1 <= looks <= MOST_LOOKS:
        raise UsageError(attempt, cause=f"{looks} looks", hint=f"plan from 1 to {MOST_LOOKS} looks")
    if not 0 < power < 1 or not 0 < spread < math.inf:
        raise UsageError(
            attempt, cause="power must lie between 0 and 1, the spread above 0", hint="use --power 0.8"
        )
    kind = ExperimentMetric(metric)
    if kind is ExperimentMetric.SUCCESS:
        units = plan_cases_per_arm_for_share(base_share, smallest_effect, power=power, attempt=attempt)
    else:
        shift = smallest_effect if kind is ExperimentMetric.SCORE else _to_shift(smallest_effect, attempt)
        units = plan_units(shift, spread if kind is not ExperimentMetric.SCORE else 1.0, power=power,
                           paired=pair_by is not None)  # fmt: skip
    units = math.ceil(units * (compute_look_inflation(looks, 0.05, power) if looks > 1 else 1))
    return ExperimentDefinition(
        name=name,
        metric=kind,
        units=max(units, FEWEST_PER_LOOK * looks),
        arms=(arms[0], arms[1]),
        label=label,
        by_pattern=by_pattern,
        pair_by=pair_by,
        looks=looks,
        start=start,
    )


def plan_units(
    shift: float, spread: float, *, power: float = 0.8, level: float = 0.05, paired: bool = False
) -> int:
    """Return how many values per arm find a shift of means with this power, by the noncentral t.

    Example: logarithms with spread .5 and a ratio of 1.2, a shift of log 1.2 = .18, need 120 per arm.
    """
    if not shift:
        raise ValueError("no number of runs finds an effect of nothing")
    factor = 1 if paired else 2

    def compute_power(units: float) -> float:
        freedom = (units - 1) * factor
        limit = float(stats.t.isf(level / 2, freedom))
        center = abs(shift) / spread * math.sqrt(units / factor)
        # Far below its limit the noncentral t of the library is not a number: there is no power there.
        missed = float(stats.nct.cdf(limit, freedom, center))
        return 0.0 if math.isnan(missed) else 1 - missed

    guess = factor * ((stats.norm.isf(level / 2) + stats.norm.isf(1 - power)) * spread / shift) ** 2
    if guess > MOST_UNITS:
        return MOST_UNITS
    most = max(4.0, 2 * float(guess) + 10)
    if compute_power(2) >= power:
        return 2
    return math.ceil(float(optimize.brentq(lambda units: compute_power(units) - power, 2, most)))


def plan_cases_per_arm_for_share(
    base: float | None, difference: float, *, power: float = 0.8, level: float = 0.05, attempt: str = ""
) -> int:
    """Return how many cases per arm find a difference of shares with this power.

    Example: .80 against .95 needs 76 per arm.
    """
    if base is None or not 0 <= base <= 1 or not 0 <= base + difference <= 1 or not difference:
        raise UsageError(
            attempt or "cannot plan the experiment",
            cause=f"a share of {base} cannot change by {difference}",
            hint="give the usual share and a difference that stays between 0 and 1, such as 0.80 and 0.15",
        )
    other = base + difference
    middle = (base + other) / 2
    needed = float(stats.norm.isf(level / 2)) * math.sqrt(2 * middle * (1 - middle))
    needed += float(stats.norm.isf(1 - power)) * math.sqrt(base * (1 - base) + other * (1 - other))
    return math.ceil((needed / difference) ** 2)


def find_detectable_ratio(
    units_per_arm: int,
    spread: float,
    *,
    power: float = 0.8,
    level: float = 0.05,
    paired: bool = False,
) -> float:
    """Return the smallest ratio above 1 that so many values per arm find with this power.

    Example: 20 per arm with spread .5 find 1.58.
    """
    if units_per_arm < 2:  # noqa: PLR2004  # nothing scatters
        return math.inf
    factor = 1 if paired else 2
    freedom = (units_per_arm - 1) * factor
    needed = -float(special.stdtrit(freedom, level / 2) + special.stdtrit(freedom, 1 - power))
    return math.exp(min(needed * spread * math.sqrt(factor / units_per_arm), 700.0))


def assign_arm(
    definition: ExperimentDefinition, session: str, assigned: Mapping[str, str], stratum: str = ""
) -> str:
    """Return the arm of a session: the same at each call, and balanced in blocks of four.

    ``assigned`` are the arms of the stratum's earlier sessions, oldest first. A session that is among them
    keeps its arm. The choice within a block depends on a hash of the session, so that nobody can foresee it.
    Example: after A, B, B the fourth session gets A.
    """
    if session in assigned:
        return assigned[session]
    arms = list(assigned.values())
    block = arms[len(arms) - len(arms) % BLOCK :]
    left = [arm for arm in definition.arms for _ in range(BLOCK // 2 - block.count(arm))]
    digest = hashlib.sha256(f"{definition.name}\0{stratum}\0{session}".encode()).digest()
    choices = left or list(definition.arms)
    return choices[int.from_bytes(digest[:8]) % len(choices)]


def make_environment(definition: ExperimentDefinition, arm: str) -> dict[str, str]:
    """Return the environment that marks a session as a run of this arm."""
    return {"STRETTO_LABELS": f"{definition.label}={arm}"}


def _to_shift(ratio: float, attempt: str) -> float:
    if not 0 < ratio < math.inf or ratio == 1:
        raise UsageError(
            attempt,
            cause=f"the smallest effect must be a ratio above 0 and not 1, not {ratio}",
            hint="use 1.2 to find 20 %",
        )
    return math.log(ratio)
