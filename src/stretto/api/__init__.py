"""The Python API: a program records its sessions, phases, tasks and calls as OpenTelemetry spans.

``work_blocks`` has the functions that a program wraps its work with; their blocks are in ``session_blocks``
and ``call_blocks``. They need only OpenTelemetry's API and work with any SDK of the host program. ``setup``
configures an SDK for a program without one. ``journal_exporter`` writes finished spans to the journal,
through ``spans_to_events``. ``context`` holds the data that tasks inherit, and ``carry`` passes it to other
threads and processes. ``written_files`` hashes the paths of files that tasks and calls wrote.

The public names are reached through the package (``stretto.task``), which loads them on first use.
"""
