"""Transcripts: what Claude Code writes down of a session (JSON lines), read after the fact or while it grows.

``find_transcripts`` finds them, ``read_transcript`` turns what stands behind an offset into events. A session's file holds the
main agent's lines; each of its agents has a file of its own under ``<session>/subagents/``, with a sidecar
that says who started it. Names, ids, times, outcomes and token counts are taken, never a prompt, an input or
an output.
"""

from stretto.sources.transcript.checkpoint import Checkpoint, TranscriptFile
from stretto.sources.transcript.reading import (
    UNREADABLE,
    TranscriptChunk,
    find_transcripts,
    identify_transcript,
    read_transcript,
)

__all__ = [
    "UNREADABLE",
    "Checkpoint",
    "TranscriptChunk",
    "TranscriptFile",
    "find_transcripts",
    "identify_transcript",
    "read_transcript",
]
