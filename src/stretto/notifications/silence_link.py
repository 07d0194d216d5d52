"""Build the address of Alertmanager's form for a new silence, filled with an alert's labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote


def build_silence_url(alertmanager: str, labels: Mapping[str, str]) -> str:
    """Return the address of Alertmanager's form that silences the alerts with all these labels.

    ``alertmanager`` is its address as a browser reaches it, such as ``http://127.0.0.1:9093``. The address
    silences nothing by itself: a person fills in the duration and the reason. The filter has the format of
    that page (Alertmanager, ui/app/src/Utils/Filter.elm): matchers in braces, values as JSON strings. Old
    versions such as 0.25 show the backslash before a quote; the person has to remove it there.
    """
    # The alert's name first, as in Alertmanager's own lists.
    ordered = sorted(labels.items(), key=lambda label: (label[0] != "alertname", label[0]))
    matchers = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in ordered)
    return f"{alertmanager.rstrip('/')}/#/silences/new?filter={quote(f'{{{matchers}}}', safe='')}"
