"""The configuration as values, each with its origin.

The commands ``config`` and ``doctor`` show where every value came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stretto.features.feature_switches import FeatureStates
from stretto.figures.scores.score_rules import ScoreRules, Scoring
from stretto.figures.sequential_baseline_choice import DeclaredBaselines, Provenance
from stretto.figures.window_gain_verdict import HeadlineRule
from stretto.model.configured_token_prices import Rates
from stretto.model.task_type import TaskTypes
from stretto.reports.report_parts import ReportPart
from stretto.servers.alert_limits import AlertLimits
from stretto.state.retention_settings import Retention

if TYPE_CHECKING:
    from stretto.cost_computation import Prices

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Setting:
    """The effective value of a setting, and its origin."""

    name: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured."""

    state: Path
    """The only folder that Stretto writes to."""
    host: str
    port: int
    token: str | None
    """Every request must show it if it is set. Listening beyond loopback requires a token."""
    hosts: tuple[str, ...]
    """Host names that requests may use beside loopback. Any other name may be a DNS rebinding attack."""
    descriptions: bool
    """Whether short descriptions of tasks are kept. The hook process reads the variable itself."""
    timezone: str
    """The zone in which days and hours of calendars and reports are meant, as in ``Europe/Berlin``."""
    idle_minutes: int
    """A session without an event for longer is over."""
    series_budget: int
    """Largest number of exported series of derived figures; further ones are merged into ``other``."""
    retention: Retention
    speak_alerts: bool
    """Whether critical alerts are spoken aloud, if a speech program is installed."""
    desktop_alerts: bool
    """Whether critical alerts are raised on the desktop."""
    public_url: str | None
    """The address under which people reach the page, such as that of a proxy, without a slash at its end."""
    receivers: Path | None
    """The file that ``stretto.servers.merge_receivers`` reads, if there is a file."""
    alertmanager_url: str | None
    """The Alertmanager that sends reports and notices; None for the one that ``stretto up`` runs."""
    prometheus_port: int
    alertmanager_port: int
    stuck_minutes: int
    """A running task is stuck if it has had no event for longer and waits for no tool."""
    fleet_team: str | None
    """The team that this machine's figures are added to."""
    fleet_instance: str | None
    """The machine's name in its team; a name that does not reveal the host's if it is None."""
    fleet_push_url: str | None
    """The remote-write address that ``stretto up`` sends this machine's sums to."""
    fleet_push_token_file: str | None
    fleet_push_interval_seconds: int
    fleet_hub_url: str | None
    """The hub that finished sessions are shipped to; None for the one that the machine is enrolled at."""
    fleet_hub_token_file: str | None
    fleet_hub_key_file: str | None
    """The file with the tenant's key, by which names are hidden."""
    fleet_shown_projects: tuple[str, ...]
    """Projects that are shipped under their names."""
    fleet_shown_names: tuple[str, ...]
    """Agents, tools, models, patterns and phases of our own that are shipped under their names."""
    fleet_shown_labels: tuple[str, ...]
    """Keys of labels that are shipped with their values."""
    budget_dollars_per_day: int
    """US dollars that a local day may cost; 0 without a budget."""
    budget_dollars_per_month: int
    reports_parts: tuple[ReportPart, ...]
    """The parts of a report on a day, a week, a month or any other period."""
    resources_interval_seconds: int
    """Time between two readings of the agents' processes; 0 disables them."""
    headline_baseline: str
    """The baseline of the headline: ``work``, ``configured`` or ``recorded``."""
    headline_covers_percent: int
    """Share of the parallel executions that it must cover; else the headline is by the work itself."""
    preset: str | None
    task_types: TaskTypes
    workflows: Mapping[str, float]
    """Hours of a whole workflow by hand, by pattern."""
    test_commands: tuple[str, ...]
    """Commands that run tests beside the built-in ones. Hooks read them from a file of the state folder."""
    rates: Mapping[str, Rates]
    alert_limits: AlertLimits
    """The limits of alerts that differ from the shipped ones."""
    scores: ScoreRules
    """Weights, targets and scales of the scores."""
    features: FeatureStates
    """Which optional parts are on, and how much of a session is collected."""
    settings: tuple[Setting, ...]
    """The same values with their origins, in the order of the documentation."""

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return self.state / "journal"

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.state / "stretto.db"

    @property
    def address(self) -> str:
        """Host and port that the service listens on, as in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The page's address on this machine."""
        return f"http://{self.address}"

    @property
    def link_url(self) -> str:
        """The page's address in links of alerts, notices and exports: the public address if one is set."""
        return self.public_url or self.url

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.host in LOOPBACK

    @property
    def fingerprint(self) -> str:
        """Hash of the settings that stored figures use: classification, idle limit, prices and scales."""
        from hashlib import sha256  # noqa: PLC0415  # milliseconds, only needed to write the store

        from stretto.cost_computation import read_list_version  # noqa: PLC0415  # likewise

        rules = [[t.name, *t.keywords] for t in self.task_types.types]
        prices = [sorted(self.rates.items()), read_list_version()]
        scales = [[scale.name, scale.low, scale.high] for scale in self.scores.scales.scales]
        text = json.dumps([rules, self.idle_minutes, prices, scales])
        return sha256(text.encode()).hexdigest()[:16]

    @property
    def prices(self) -> Prices:
        """The prices of model calls."""
        from stretto.cost_computation import Prices  # noqa: PLC0415  # milliseconds, only needed to price calls

        return Prices(self.rates)

    @property
    def scoring(self) -> Scoring:
        """The rules of the scores, with the target improvement of each task type."""
        return Scoring(self.scores, self.task_types.find_target)

    @property
    def budgets(self) -> dict[str, int]:
        """The budget of a local day and month in US dollars, 0 without one."""
        return {"day": self.budget_dollars_per_day, "month": self.budget_dollars_per_month}

    def make_headline_rule(self, declared: DeclaredBaselines) -> HeadlineRule:
        """Return the rule that chooses the headline's baseline."""
        return HeadlineRule(
            Provenance(self.headline_baseline), self.headline_covers_percent / 100, self.hours, declared
        )

    @property
    def hours(self) -> dict[str, float]:
        """Configured sequential hours by task type."""
        return {t.name: t.sequential_hours for t in self.task_types.types if t.sequential_hours is not None}
