"""The pages a person reads: overview, one session, an alert's runbook. Rendered here, without any script."""

from __future__ import annotations

import re
from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from stretto.clock import SECOND
from stretto.model.event import Outcome
from stretto.names import METRICS, PREFIX, WINDOWS
from stretto.web import answers, headline, instant, markdown, overview, timeline, words
from stretto.web.surface import Surface

REFRESH_SECONDS = 5
"""How often a page asks for itself again; it says so, and can be told to stay as it is (``?refresh=off``)."""

ID_SHOWN = 14
"""Characters of a session's id in a table."""

_ALERT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

_FROM_TABLE = (
    "speedup_ratio",
    "improvement_ratio",
    "time_saved_seconds",
    "parallel_efficiency_ratio",
    "load_balance_ratio",
    "concurrency_ratio",
    "success_ratio",
    "capture_completeness_ratio",
)
DEFINITIONS: dict[str, str] = {
    **{name: METRICS[PREFIX + name].help for name in _FROM_TABLE},
    "parallel": "A parallel execution: two or more tasks of one parent whose times overlap.",
    "one_after_another": "What the tasks take one after another; the baseline says where that comes from.",
    "together": "Time in which at least one of the tasks ran.",
    "work": "Busy time of the tasks, summed.",
    "width": "Most tasks at once.",
    "target": "Improvement asked of the task type by configuration.",
    "median": "Half of the tasks took this long or less; within 2 %.",
    "baseline": (
        "recorded: sequential runs pinned for the pattern. measured: sequential runs of the same pattern and"
        " task types. set: a length per task type, by hand. configured: hours per task type. work: the tasks'"
        " own lengths added up. The best available is taken, in this order; they are never added together."
    ),
    "window": "A window begins on a full five minutes (last hour) or on a full hour (the longer ones).",
    "rejects": "Input that could not be read. It stays in the journal; 'stretto doctor' shows where.",
}
"""Word → what it means, where figures are exported in the words of the table of names."""

ABSENT = {
    "fanouts": "Parallel executions",
    "tasks.seconds": "Times of tasks",
    "tool_calls.seconds": "Times of tool calls",
    "end": "End of the session",
    "model_calls": "Model calls",
    "resources": "Use of the machine",
}
"""What an insight calls an absent figure → what a person calls it."""


class Pages:
    """The endpoints that answer HTML. ``style`` is the address of the style sheet."""

    def __init__(self, surface: Surface, *, style: str) -> None:
        self._surface = surface
        self._environment = Environment(
            loader=PackageLoader(__package__),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters: dict[str, Callable[..., str]] = {
            name: getattr(words, name) for name in ("times", "percent", "count", "counted", "moment")
        }
        self._environment.filters.update(
            filters,
            breakable=_breakable,
            seconds=words.length,
            nanoseconds=lambda length: words.length(length / SECOND),
            short=_short,
            window=headline.window_words,
        )
        self._environment.globals.update(
            style=style,
            version=surface.version,
            define=DEFINITIONS,
            meaning=headline.meaning,
            refresh_seconds=REFRESH_SECONDS,
        )

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/", self.overview),
            Route("/sessions/{id:path}", self.session),
            Route("/runbook", self.runbooks),
            Route("/runbook/{alert}", self.runbook),
        ]

    def overview(self, request: Request) -> Response:
        """Answer the first page: the verdict, and what stands behind it."""
        surface, now = self._surface, self._surface.clock()
        taken = surface.snapshot()
        told = overview.alerts(surface.notifications.newest())
        common = {
            "problems": surface.problems(),
            "alerts": told,
            "pages": {n.alertname for n in (*told.firing, *told.resolved) if self._has_page(n.alertname)},
            "set_aside": surface.notifications.set_aside,
        }
        asked = request.query_params.get("window")
        if asked is not None and asked not in WINDOWS:
            known = ", ".join(WINDOWS)
            return answers.error(request.url.path, 400, "There is no such window.", f"There are {known}.")
        if taken is None:
            return self._page("overview.html", request, now, live=True, taken=None, window=None, **common)
        window = headline.choose_window(taken, asked)
        figures = overview.Figures(taken)
        return self._page(
            "overview.html",
            request,
            now,
            live=True,
            taken=taken,
            window=window,
            windows=list(WINDOWS),
            line=headline.headline(taken, window),
            verdicts=taken.verdicts,
            types=overview.type_rows(figures, window),
            patterns=overview.pattern_rows(figures, window),
            completeness=overview.with_reason(
                figures.find("capture_completeness_ratio", "", window=window), "no task or tool call is over"
            ),
            rejects=overview.reject_reasons(taken),
            stale=(now - taken.at) / SECOND > surface.fresh_seconds,
            **common,
        )

    def session(self, request: Request) -> Response:
        """Answer the page of one session."""
        found = self._surface.insight(request.path_params["id"])
        if found is None:
            return answers.error(
                request.url.path, 404, "There is no such session.", "The page / lists the latest."
            )
        session = found.session
        tools = timeline.tool_rows(session)
        return self._page(
            "session.html",
            request,
            self._surface.clock(),
            session=session,
            live=session.outcome is Outcome.RUNNING,
            elapsed=((session.end or session.last) - session.start) / SECOND,
            strip=timeline.strip(session),
            parallels=timeline.parallels(found),
            hidden_fanouts=max(0, len(found.fanouts) - timeline.FANOUTS_SHOWN),
            alone=timeline.alone(found),
            most=timeline.BARS_SHOWN,
            tools=tools[: timeline.TOOLS_SHOWN],
            hidden_tools=max(0, len(tools) - timeline.TOOLS_SHOWN),
            absent_figures=found.absent,
            absent_words=ABSENT,
        )

    def runbooks(self, request: Request) -> Response:
        """Answer the list of alerts that have a page, each with what it means."""
        pages = [(alert, self._surface.runbook(alert) or "") for alert in self._surface.alerts()]
        return self._page(
            "runbooks.html",
            request,
            self._surface.clock(),
            live=False,
            pages=[(alert, markdown.first_sentence(text)) for alert, text in pages],
        )

    def runbook(self, request: Request) -> Response:
        """Answer what an alert means and what to do first."""
        alert = request.path_params["alert"]
        text = self._surface.runbook(alert) if _ALERT.fullmatch(alert) else None
        if text is None:
            return answers.error(
                request.url.path, 404, "There is no such alert.", "The page / lists what fires."
            )
        return self._page(
            "runbook.html",
            request,
            self._surface.clock(),
            live=False,
            alert=alert,
            body=markdown.render(text),
        )

    def _has_page(self, alert: str | None) -> bool:
        return (
            alert is not None and bool(_ALERT.fullmatch(alert)) and self._surface.runbook(alert) is not None
        )

    def _page(self, template: str, request: Request, now: int, *, live: bool, **context: object) -> Response:
        def ago(at: int) -> str:
            return words.ago(now, at)

        def told_at(text: str | None) -> int | None:
            try:
                return instant.parse(text) if text else None
            except ValueError:
                return None

        refresh = live and request.query_params.get("refresh") != "off"
        html = self._environment.get_template(template).render(
            ago=ago, told_at=told_at, live=live, refresh=refresh, **context
        )
        return HTMLResponse(html)


def _breakable(text: str) -> Markup:
    """Let a name of several words break between them."""
    return escape(text).replace("_", Markup("_<wbr>"))


def _short(id: str) -> str:
    return id if len(id) <= ID_SHOWN else id[: ID_SHOWN - 1] + "…"
