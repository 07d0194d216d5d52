"""Answer the page of all alerts by rule, and the page of a rule."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.notifications.alert_episodes import RuleAlerts, group_by_rule
from stretto.notifications.alert_states_from_notifications import find_newest_alert_states
from stretto.web import markdown
from stretto.web.page_endpoints import PageEndpoints
from stretto.web.runbook_lookup import get_runbook_markdown

EPISODES_SHOWN = 20
"""Most episodes that are over, of each rule on the page of all; a rule's page has every one that is kept."""


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
            meanings={name: markdown.find_first_sentence(text) for name, text in texts.items() if text},
        )
