"""Receive OTLP requests: turn the spans and log events of other programs into events.

``receive.OtlpTranslator`` is the entry point. It takes the bytes of a request and returns journal records and
the response to the client. ``decode`` turns bytes into plain records, and two mappings turn records into
events: ``claude_code`` for that client's spans and log events, ``genai`` for the conventions that frameworks
share.
``evaluations`` adds judgements, and ``python_api`` adds the facts of Stretto's Python API. Everything is
pure: the caller passes the time, and writes the records before it responds. The session of each trace is kept
in memory, and noted on the events so that it survives a restart.

"Span" in this package is OpenTelemetry's word.

An event has the id that other channels give to the same entity. The id must be found in a single span, since
the parts of a trace arrive in any order and in many requests:

=========== ============================================ ============================================
entity      Claude Code                                  everyone else
=========== ============================================ ============================================
session     ``session.id``                               the id that spans give, else the trace id
turn        ``prompt.id`` (only log events have it)      span id of the outermost agent or workflow
task        ``agent_id``                                 span id of any other run of an agent
tool call   ``tool_use_id``                              span id: call ids are not unique everywhere
model call  response id, else request id, else span id   span id
=========== ============================================ ============================================

Spans that Stretto itself exported (``stretto.*`` attributes) keep the ids in their attributes. The parent of
an event is the nearest task above it in the request. If a span above is not in the request, the parent is
that missing span's id, and an event of another request may have that id.

``model.call`` events carry ``input_tokens`` (neither read from nor written to a cache), ``output_tokens``,
``cache_read_tokens``, ``cache_write_tokens``, ``reasoning_tokens``, ``cost_usd``, ``first_token_ms``, and the
provider's ids as ``request`` and ``response``. Claude Code's events name two spans so that events of
different requests can be linked: ``span`` is a call's execution, ``span_parent`` the parent of a subagent's
spans.
"""
