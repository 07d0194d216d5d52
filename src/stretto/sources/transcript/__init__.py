"""Transcripts: what Claude Code writes down of a session (JSON lines), read after the fact or while it grows.

``files`` finds them, ``read`` turns what stands behind an offset into events. A session's file holds the
main agent's lines; each of its agents has a file of its own under ``<session>/subagents/``, with a sidecar
that says who started it. Names, ids, times, outcomes and token counts are taken, never a prompt, an input or
an output.
"""

from stretto.sources.transcript.checkpoint import Carry, Transcript
from stretto.sources.transcript.reading import UNREADABLE, Read, files, read, transcript

__all__ = ["UNREADABLE", "Carry", "Read", "Transcript", "files", "read", "transcript"]
