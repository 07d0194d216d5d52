"""The set-up that ``opentelemetry-instrument`` finds: a program is recorded without a line of code.

OpenTelemetry's auto-instrumentation calls the configurators that packages register. Ours sets up what
``stretto.configure`` would, unless the environment asks for another exporter.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from stretto.api.setup import configure, read_otlp_setting

_EXPORTER = "OTEL_TRACES_EXPORTER"
_HTTP = "http/protobuf"


class AutoConfigurator:
    """Sets up the SDK when ``opentelemetry-instrument`` starts a program."""

    def configure(self, **options: Any) -> None:
        """Set up ``stretto.configure``, or the SDK as its variables ask if they name other exporters."""
        if leaves_setup_to_stretto(os.environ):
            configure()
            return
        # OpenTelemetry's distribution makes its set-up of the same class.
        from opentelemetry.sdk._configuration import (  # noqa: PLC0415  # loads every exporter's group
            _OTelSDKConfigurator,
        )

        configurator: Any = _OTelSDKConfigurator
        configurator().configure(**options)


def leaves_setup_to_stretto(environ: Mapping[str, str]) -> bool:
    """Return whether the environment leaves the set-up to Stretto.

    Without exporters and endpoint it does, and with an endpoint for HTTP. Example: the endpoint of a
    collector that speaks gRPC is the SDK's, and so is ``OTEL_TRACES_EXPORTER=otlp`` or ``console``.
    """
    if environ.get(_EXPORTER, "").strip():
        # The exporter of this name is made by the SDK and writes to the journal.
        return False
    if read_otlp_setting(environ, "ENDPOINT") is None:
        return True
    return read_otlp_setting(environ, "PROTOCOL") == _HTTP
