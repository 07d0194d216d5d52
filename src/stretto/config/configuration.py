"""The configuration as values, each with its origin.

The commands ``config`` and ``doctor`` show where every value came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stretto.figures.scores.score_rules import ScoreRules, Scoring
from stretto.model.task_type import TaskTypes
from stretto.model.token_prices import Rates
from stretto.state.retention import Retention

if TYPE_CHECKING:
    from stretto.prices import Prices

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One value as it was settled, and where it came from."""

    name: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured."""

    state: Path
    """The one folder that Stretto writes to."""
    host: str
    port: int
    token: str | None
    """Asked of every request where it is set; to listen beyond loopback it must be."""
    hosts: tuple[str, ...]
    """Names beside loopback's that requests may ask for: any other may be a page rebound to this address."""
    descriptions: bool
    """Whether short descriptions of tasks are kept. The hook process reads the variable itself."""
    idle_minutes: int
    """A session that nothing is heard of for longer is over."""
    series_budget: int
    """Most series of derived figures that are exported; what exceeds it is folded into ``other``."""
    retention: Retention
    speak_alerts: bool
    """Whether critical alerts are spoken aloud, where a program that speaks is installed."""
    desktop_alerts: bool
    """Whether critical alerts are raised on the desktop."""
    receivers: Path | None
    """The file that ``stretto.servers.alert_receivers`` reads; None without such a file."""
    prometheus_port: int
    alertmanager_port: int
    stuck_minutes: int
    """A running task that nothing is heard of for longer, and that waits for no tool, is stuck."""
    resources_interval_seconds: int
    """Between two readings of the agents' processes; 0 takes none."""
    preset: str | None
    task_types: TaskTypes
    rates: Mapping[str, Rates]
    scores: ScoreRules
    """Weights, targets and scales of the scores."""
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
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.host in LOOPBACK

    @property
    def fingerprint(self) -> str:
        """A text that changes when stored conclusions would: classification, idle limit, prices, scales."""
        from hashlib import sha256  # noqa: PLC0415  # milliseconds, for who opens the store to write

        from stretto.prices import read_list_version  # noqa: PLC0415  # likewise

        rules = [[t.name, *t.keywords] for t in self.task_types.types]
        prices = [sorted(self.rates.items()), read_list_version()]
        scales = [[scale.name, scale.low, scale.high] for scale in self.scores.scales.known]
        told = json.dumps([rules, self.idle_minutes, prices, scales])
        return sha256(told.encode()).hexdigest()[:16]

    @property
    def prices(self) -> Prices:
        """What model calls cost."""
        from stretto.prices import Prices  # noqa: PLC0415  # milliseconds, for who concludes sessions

        return Prices(self.rates)

    @property
    def scoring(self) -> Scoring:
        """What scores are made by."""
        return Scoring(self.scores, self.task_types.find_target)

    @property
    def hours(self) -> dict[str, float]:
        """Configured sequential hours by task type."""
        return {t.name: t.sequential_hours for t in self.task_types.types if t.sequential_hours is not None}
