"""Silence: the address of Alertmanager's form for a new silence, filled with what is to be silenced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote


def silence_url(alertmanager: str, labels: Mapping[str, str]) -> str:
    """Return where Alertmanager's page asks how long the alerts with all these labels shall be silent.

    ``alertmanager`` is its address as a browser reaches it, such as ``http://127.0.0.1:9093``. Nothing is
    silenced by the address itself: a person fills in the duration and the reason. The filter is what that
    page writes itself (Alertmanager, ui/app/src/Utils/Filter.elm): matchers in braces, values as JSON
    strings. Old versions, 0.25 among them, show the backslash before a quote, which is to be taken out there.
    """
    # The alert's name first, as in Alertmanager's own lists.
    ordered = sorted(labels.items(), key=lambda label: (label[0] != "alertname", label[0]))
    matchers = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in ordered)
    return f"{alertmanager.rstrip('/')}/#/silences/new?filter={quote(f'{{{matchers}}}', safe='')}"
