"""The Python API: an orchestrator says what it does, and OpenTelemetry spans say it on.

``tracing`` holds what a program wraps its work in; it needs OpenTelemetry's API alone and speaks to whatever
SDK the host has. ``setup`` gives a host without one an SDK; ``export`` writes finished spans to the journal
with what ``mapping`` makes of them. ``context`` is what travels between tasks, threads and processes.

The names are reached through the package itself (``stretto.task``), which loads them when they are asked for.
"""
