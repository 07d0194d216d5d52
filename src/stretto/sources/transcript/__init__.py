"""Transcripts: find and read the JSON lines that Claude Code keeps of a session, finished or still growing.

``find_transcripts`` finds the files. ``read_transcript`` turns the bytes after an offset into events. A
session's file holds the main agent's lines. Each of its agents has a file under ``<session>/subagents/``,
with a sidecar that names the call that started it. Events hold names, ids, times, outcomes and token counts,
never a prompt, an input or an output.
"""

from stretto.sources.transcript.copies import Owners
from stretto.sources.transcript.reading import (
    UNREADABLE,
    TranscriptChunk,
    find_beginning,
    find_newest_time,
    find_transcripts,
    identify_transcript,
    list_transcript_paths,
    read_transcript,
)
from stretto.sources.transcript.reading_state import Checkpoint, TranscriptFile

__all__ = [
    "UNREADABLE",
    "Checkpoint",
    "Owners",
    "TranscriptChunk",
    "TranscriptFile",
    "find_beginning",
    "find_newest_time",
    "find_transcripts",
    "identify_transcript",
    "list_transcript_paths",
    "read_transcript",
]
