"""Answer the page of all alerts by rule, and the page of a rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import SECOND
from stretto.format import quantities
from stretto.names import WINDOWS, Label
from stretto.notifications.alert_states_from_notifications import find_newest_alert_states
from stretto.notifications.group_notifications_by_alert import (
    AlertEpisode,
    RuleAlerts,
    count_by_day,
    group_by_rule,
)
from stretto.web import markdown
from stretto.web.bar_chart import BarInput, ChartBar, lay_out_upright_bars
from stretto.web.page_endpoints import PageEndpoints
from stretto.web.run_statistics_view import format_day
from stretto.web.runbook_lookup import get_runbook_markdown
from stretto.web.subject_links import SubjectLink, link_sessions, link_subjects

EPISODES_SHOWN = 20
"""Most episodes that are over, of each rule on the page of all; a rule's page has every one that is kept."""

FEWEST_DAYS = 2
"""Fewest days that are drawn side by side."""


@dataclass(frozen=True, slots=True)
class AlertDay:
    """A day on which so many alerts fired, and its bar."""

    date: str
    fired: int
    bar: ChartBar


@dataclass(frozen=True, slots=True)
class EpisodeLinks:
    """The values that an alert is about, and the address of their sessions of its time."""

    subjects: Sequence[SubjectLink]
    sessions: str


class AlertPages(PageEndpoints):
    """The endpoints of alerts."""

    def list_routes(self) -> list[Route]:
        """Return the routes. The names of rules are chosen outside Stretto and may hold a slash."""
        return [Route("/alerts", self.show_alerts), Route("/alerts/{rule:path}", self.show_rule)]

    def show_alerts(self, request: Request) -> Response:
        """Answer all rules with alerts, the firing ones first."""
        now = self._backend.clock()
        log = self._backend.notifications
        newest = log.list_newest()
        current = find_newest_alert_states(newest, log.watchdog_heard, now)
        groups = group_by_rule(newest, current)
        return self._show(request, now, groups, None, EPISODES_SHOWN)

    def show_rule(self, request: Request) -> Response:
        """Answer one rule: its alerts, all that is kept of its history, and what to do first."""
        now, rule = self._backend.clock(), request.path_params["rule"]
        newest = self._backend.notifications.list_newest()
        groups = [
            group for group in group_by_rule(newest, find_newest_alert_states(newest)) if group.rule == rule
        ]
        if not groups and get_runbook_markdown(self._backend, rule) is None:
            return self._refuse(request, 404, "There is no such alert.", "The page /alerts lists the alerts.")
        return self._show(request, now, groups, rule, len(newest))

    def _show(
        self, request: Request, now: int, groups: Sequence[RuleAlerts], rule: str | None, most: int
    ) -> Response:
        log = self._backend.notifications
        texts = {
            name: self._backend.runbook(name) for name in {*(group.rule for group in groups), rule} if name
        }
        return self._page(
            "alerts.html",
            request,
            now,
            live=True,
            groups=groups,
            firing_count=sum(len(group.firing) for group in groups),
            rule=rule,
            most=most,
            alerts=find_newest_alert_states(log.list_newest(), log.watchdog_heard, now),
            link_episode=link_episode,
            days=draw_days(groups, now),
            meanings={name: markdown.find_first_sentence(text) for name, text in texts.items() if text},
        )


def link_episode(episode: AlertEpisode) -> EpisodeLinks:
    """Return the links of an alert. Its figure is of a window, so the time begins with that window."""
    length = WINDOWS.get(episode.labels.get(Label.WINDOW, ""), 0)
    begin = episode.begin - length * SECOND
    return EpisodeLinks(
        link_subjects(episode.labels, begin, episode.end), link_sessions(episode.labels, begin, episode.end)
    )


def draw_days(groups: Iterable[RuleAlerts], now: int) -> Sequence[AlertDay]:
    """Return the days with the alerts that fired on them; none if there would be one day alone."""
    days = count_by_day((episode for group in groups for episode in group.episodes), now)
    if len(days) < FEWEST_DAYS:
        return ()
    dates = [format_day(day.day) for day in days]
    bars = lay_out_upright_bars(
        BarInput(
            day.fired,
            f"{date}: {quantities.format_count_with_noun(day.fired, 'alert')} fired",
            f"/?from={date}&to={date}" if day.fired else None,
        )
        for date, day in zip(dates, days, strict=True)
    )
    return [AlertDay(date, day.fired, bar) for date, day, bar in zip(dates, days, bars, strict=True)]
