"""Find the runbook page of an alert, whose name comes from outside."""

from __future__ import annotations

import re

from stretto.web.backend import Backend

_ALERT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def get_runbook_markdown(backend: Backend, alert: str | None) -> str | None:
    """Return the runbook page of an alert in Markdown; None for what cannot be the name of an alert."""
    return backend.runbook(alert) if alert is not None and _ALERT.fullmatch(alert) else None
