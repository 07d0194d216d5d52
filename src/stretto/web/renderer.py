"""Render templates to pages, with the filters, links and definitions that templates share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from types import CodeType
from urllib.parse import quote, urlencode

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from stretto.clock import DAY, SECOND, to_rfc3339
from stretto.features.switched_off_texts import describe_switched_off
from stretto.format import quantities, rfc3339
from stretto.names import METRICS, NONE, PREFIX
from stretto.notifications import alert_states_from_notifications as alerts
from stretto.summaries.session_json import make_session_title, name_session
from stretto.summaries.time_window import WINDOW_NAMES
from stretto.web import (
    drawing_export,
    live_updates,
    responses,
    table_export,
    value_markup,
    verdict_in_words,
    window_form,
)
from stretto.web.backend import Backend
from stretto.web.page_terms import DEFINITIONS
from stretto.web.timeline_shapes import write_bars, write_path

REFRESH_SECONDS = 5
"""Seconds between reloads of a page without script or event stream; ``?refresh=off`` stops them."""

DATED_FROM = 2 * DAY
"""Age (ns) from which a relative time has its date beside it."""

ID_SHOWN = 14
"""Characters of a session's id in a table."""


class CompiledTemplateMemory(BytecodeCache):
    """Compiled templates in memory, for all renderers of a process: compiling costs more than a page."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give a template its code, if its text is the one that was compiled."""
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a template that was compiled."""
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code


_COMPILED = CompiledTemplateMemory()


class Renderer:
    """Renderer of pages. ``addresses`` maps static file names to their addresses, ``style`` is the sheet."""

    def __init__(self, backend: Backend, addresses: Mapping[str, str], style: str) -> None:
        self._backend = backend
        self._style = style
        self._environment = Environment(
            loader=PackageLoader(__package__),
            bytecode_cache=_COMPILED,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters: dict[str, Callable[..., str]] = {
            "times": quantities.format_speedup,
            "percent": quantities.format_percent,
            "count": quantities.format_count,
            "counted": quantities.format_count_with_noun,
            "moment": quantities.format_instant,
            "short_moment": quantities.format_short_instant,
            "date": lambda at: quantities.format_instant(at)[:10],
            "size": quantities.format_bytes,
            "money": quantities.format_dollars,
            "plain": quantities.format_number,
            "score_range": quantities.format_score_range,
        }
        self._environment.filters.update(
            filters,
            bars=write_bars,
            path=write_path,
            breakable=value_markup.allow_breaks,
            seconds=quantities.format_duration,
            nanoseconds=lambda length: quantities.format_duration(length / SECOND),
            short=_truncate_id,
            title_of=name_session,
            entity_title=make_session_title,
            stamp=to_rfc3339,
            segment=lambda text: quote(text, safe=""),
            window=verdict_in_words.describe_window,
            in_window=verdict_in_words.place_in_window,
            figure=_format_named_figure,
            capitalize_first=lambda text: text[:1].upper() + text[1:],
        )
        self._environment.globals.update(
            script=addresses["stretto.js"],
            tools_script=addresses["tools.js"],
            style=addresses["stretto.css"],
            events=live_updates.PATH,
            version=backend.version,
            is_simulated=backend.is_simulated,
            refuses_input=backend.input_refusal is not None,
            switched_off=describe_switched_off(backend.features),
            define=DEFINITIONS,
            number=value_markup.write_count,
            outcome=value_markup.write_outcome,
            outside=value_markup.isolate_text,
            meaning=verdict_in_words.explain_baseline,
            metrics=METRICS,
            NONE=NONE,
            dated_from=DATED_FROM,
            window_names=WINDOW_NAMES,
            silence=alerts.get_silence_link,
            alertmanager=alerts.get_alertmanager_link,
            refresh_seconds=REFRESH_SECONDS,
        )

    def render_page(
        self,
        template: str,
        request: Request,
        now: int,
        *,
        live: bool,
        changing: bool = True,
        **context: object,
    ) -> Response:
        """Return a page as of ``now`` (ns). A ``live`` page updates itself, unless ``?refresh=off``.

        Without a script it reloads itself, if it shows something that is ``changing``.
        """
        snapshot = self._backend.snapshot()
        numbers = count(1)

        def ago(at: int) -> str:
            return quantities.format_age(now, at)

        def address(**changed: object) -> str:
            """Return this page's address with parameters changed; None removes a parameter."""
            parameters = {**request.query_params, **changed}
            query = urlencode({name: value for name, value in parameters.items() if value is not None})
            return f"?{query}" if query else request.url.path

        html = self._environment.get_template(template).render(
            ago=ago,
            parse_instant=rfc3339.parse_rfc3339_if_valid,
            address=address,
            carried=window_form.carry_window(request.query_params, now),
            bounds=window_form.make_bound_fields(request.query_params),
            kept=window_form.list_kept_parameters(request.query_params),
            unique=lambda: f"about-{next(numbers)}",
            live=live,
            changing=changing,
            now=now,
            path=request.url.path,
            refresh=live and request.query_params.get("refresh") != "off",
            snapshot_at=None if snapshot is None else snapshot.at,
            **context,
        )
        return self._export(html, request) or HTMLResponse(_add_exports(html, address))

    def render_error(self, request: Request, status: int, problem: str, hint: str = "") -> Response:
        """Return an error: a page with the navigation for a browser, else lines of text."""
        if "text/html" not in request.headers.get("accept", ""):
            return responses.build_error(request.url.path, status, problem, hint)
        page = self.render_page(
            "error.html", request, self._backend.clock(), live=False, problem=problem, hint=hint
        )
        page.status_code = status
        return page

    def _export(self, html: str, request: Request) -> Response | None:
        """Return the part of a page that the request asks for as a file; None if it asks for the page."""
        form, number = request.query_params.get("format"), request.query_params.get("number", "1")
        if form is None:
            return None
        if form not in (*_TABLE_FORMS, _SVG) or not _NUMBER.fullmatch(number):
            return responses.build_error(
                request.url.path, 400, f"format must be one of {', '.join((*_TABLE_FORMS, _SVG))}"
            )
        name = f"{request.url.path.strip('/').replace('/', '-') or 'overview'}-{number}"
        if form == _SVG:
            drawing = drawing_export.draw_figure(html, int(number), self._style)
            if drawing is not None:
                return _make_file(drawing, "image/svg+xml", f"{name}.svg")
        else:
            tables = table_export.read_tables(html)
            if 1 <= int(number) <= len(tables):
                write, kind = _TABLE_FORMS[form]
                return _make_file(write(tables[int(number) - 1]), kind, f"{name}.{form}")
        return responses.build_error(request.url.path, 404, "the page has nothing with that number")


_TABLE_FORMS: dict[str, tuple[Callable[[table_export.PageTable], str | bytes], str]] = {
    "csv": (table_export.to_csv, "text/csv"),
    "json": (table_export.to_json, "application/json"),
    "md": (table_export.to_markdown, "text/markdown"),
}
"""Form of a table → what writes it, and its media type."""

_SVG = "svg"
_NUMBER = re.compile(r"[1-9]\d{0,3}")


def _make_file(content: str | bytes, media_type: str, name: str) -> Response:
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name)
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{safe}"'}
    )


def _add_exports(html: str, address: Callable[..., str]) -> str:
    """Return the page with links below each table and in each figure, to take it along."""
    return _add_links(
        _add_links(html, "</table>", _TABLE_LINKS, address), "</figure>", _FIGURE_LINKS, address
    )


_TABLE_LINKS = (("csv", "CSV"), ("json", "JSON"), ("md", "Markdown"))
_FIGURE_LINKS = ((_SVG, "SVG"),)


def _add_links(html: str, end: str, forms: Sequence[tuple[str, str]], address: Callable[..., str]) -> str:
    parts = html.split(end)
    for number in range(1, len(parts)):
        links = " ".join(
            f'<a href="{escape(address(format=form, number=number))}" download data-form="{form}">{title}</a>'
            for form, title in forms
        )
        if end == "</figure>":
            source = escape(address(format=_SVG, number=number))
            links += f' <button type="button" data-form="png" data-source="{source}">PNG</button>'
        line = f'<p class="take">{links}</p>'
        # A figure has its links inside, a table after it.
        parts[number - 1] += line + end if end == "</figure>" else end + line
    return "".join(parts)


def _format_named_figure(value: float, name: str) -> str:
    """Return a figure's value in words; ``name`` is without prefix."""
    return quantities.format_figure(name, METRICS[PREFIX + name].unit, value)


def _truncate_id(id: str) -> str:
    return id if len(id) <= ID_SHOWN else id[: ID_SHOWN - 1] + "…"
