"""The exporter that OpenTelemetry's auto-instrumentation finds as ``OTEL_TRACES_EXPORTER=stretto``."""

from __future__ import annotations

import os
from pathlib import Path

from stretto.api.journal_exporter import JournalSpanExporter
from stretto.state.find_folder import find_state_folder


class AutoSpanExporter(JournalSpanExporter):
    """Writes spans to the journal of the state folder: ``STRETTO_STATE``, else the default.

    ``opentelemetry-instrument`` makes it without arguments, so a program needs no line of code.
    """

    def __init__(self) -> None:
        home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path.home() raises without a home folder
        super().__init__(find_state_folder(os.environ, home, None)[0] / "journal")
