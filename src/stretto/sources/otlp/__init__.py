"""OTLP in: what other programs send by OpenTelemetry's protocol becomes events.

``receive.Receiver`` is the entry point: one request's bytes in, journal records and the answer to the
client out. Behind it ``decode`` turns bytes into plain records, and two mappings turn records into events:
``claude_code`` for that client's own spans and log events, ``genai`` for the conventions that frameworks
share, with ``evaluation`` for judgements and ``own`` for what only Stretto's Python API says. Everything is
pure: the caller brings the time, and writes the records down before it answers. Which session a trace belongs
to is kept in memory, and written down with the events for the time after a restart.

"Span" in this package is OpenTelemetry's word.

An event's identity must be the one that other channels give to the same thing, and must be found in one span
alone, because the parts of a trace arrive in any order and in many requests:

=========== ============================================ ============================================
entity      Claude Code                                  everyone else
=========== ============================================ ============================================
session     ``session.id``                               the id that spans give, else the trace id
turn        ``prompt.id`` (only log events bear it)      span id of the outermost agent or workflow
task        ``agent_id``                                 span id of any other run of an agent
tool call   ``tool_use_id``                              span id: call ids are not unique everywhere
model call  response id, else request id, else span id   span id
=========== ============================================ ============================================

What Stretto itself sent out (``stretto.*`` attributes) keeps the ids it was sent with. The parent of an
event is the nearest task above it within the request; where the way up leaves the request, it is the first
span id that is missing, which an event of another request may bear.

``model.call`` events carry ``input_tokens`` (neither read from nor written to a cache), ``output_tokens``,
``cache_read_tokens``, ``cache_write_tokens``, ``reasoning_tokens``, ``cost_usd``, ``first_token_ms``, and the
provider's ids as ``request`` and ``response``. Claude Code's events name the spans between which only another
request may make the link: ``span`` that of a call's execution, ``span_parent`` the one that a subagent's work
hangs below.
"""
