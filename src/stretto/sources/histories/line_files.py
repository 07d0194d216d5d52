"""Line files: read a history of JSON lines from a byte offset on, through the decoder of its format."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

from stretto.sources.histories.decoder import FileFacts, HistoryDecoder, Memory
from stretto.sources.histories.history_read_result import UNREADABLE, HistoryChunk
from stretto.sources.histories.records import Record, decode_records

CHUNK = 1 << 22
"""Bytes read at once."""

LONGEST = 1 << 28
"""Longest line in bytes; a longer line is rejected unread, so that memory stays bounded."""

SIDECAR = 1 << 16
"""Bytes read of a sidecar."""


def read_line_file(
    path: Path,
    decoder_type: type[HistoryDecoder],
    offset: int,
    memory: Memory,
    *,
    latest: int,
    key: bytes,
    test_commands: Sequence[str] = (),
    limit: int = CHUNK,
) -> HistoryChunk:
    """Read about ``limit`` bytes of whole lines from the byte offset ``offset`` on, into events.

    A ``.json`` file is one document, and is read whole again when its size has changed. In any other file a
    last line without its newline is read if it is a whole object; else it is left for the next read. A file
    that has become shorter is read from its beginning. Never raises: unreadable input becomes a reject.
    """
    is_document = path.name.removesuffix(".gz").endswith(".json")
    try:
        with _open_lines(path) as stream:
            if is_document and path.stat().st_size == offset:
                return HistoryChunk((), (), offset, memory, ended=True)
            if is_document or (path.suffix != ".gz" and stream.seek(0, 2) < offset):
                offset, memory = 0, {}
            stream.seek(offset)
            if is_document:
                data, skipped, ended = stream.read(LONGEST), 0, True
            else:
                data, skipped, ended = _read_lines(stream, limit)
        facts = make_file_facts(path)
    except (OSError, EOFError, zlib.error) as error:
        reject = (offset, f"{UNREADABLE}: {type(error).__name__}")
        return HistoryChunk((), (reject,), offset, memory, ended=True)
    decoder = decoder_type(facts, memory, latest=latest, key=key, test_commands=test_commands)
    rejects = [(offset, "too long")] if skipped else []
    at = offset + skipped
    for line in [data] if is_document else io.BytesIO(data):
        if not line.endswith(b"\n") and not _is_whole(line):
            break
        rejects += ((at, reason) for reason in _decode_line(decoder, line))
        at += len(line)
    if is_document:
        at = path.stat().st_size
    if ended:
        decoder.finish()
    return HistoryChunk(tuple(decoder.events), tuple(rejects), at, decoder.memory, ended)


def make_file_facts(path: Path) -> FileFacts:
    """Return the facts that a file's path and its sidecar give."""
    stem = path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".json")
    folders = tuple(folder.name for folder in path.absolute().parents)[:4]
    return FileFacts(stem, folders, _read_sidecar(path.with_name(f"{stem}.meta.json")))


def _read_sidecar(path: Path) -> Record:
    try:
        with path.open("rb") as sidecar:
            records, _ = decode_records(sidecar.read(SIDECAR))
    except OSError:
        return {}
    return records[0] if records else {}


def _decode_line(decoder: HistoryDecoder, line: bytes) -> list[str]:
    if line.isspace():
        return []
    records, reason = decode_records(line)
    reasons = [reason, *(decoder.decode(record) for record in records)]
    return [reason for reason in reasons if reason is not None]


def _is_whole(line: bytes) -> bool:
    records, reason = decode_records(line)
    return bool(records) and reason is None


def _read_lines(stream: IO[bytes], limit: int) -> tuple[bytes, int, bool]:
    """Return whole lines, the bytes of a line skipped before them, and whether the file ended.

    The last line of a file may lack its newline. Example: a limit of 100 and lines of 60, 60 and 250 bytes
    give 60 bytes, then 60, then 250.
    """
    data = bytearray()
    while True:
        piece = stream.read(limit)
        ended = len(piece) < limit
        data += piece
        cut = len(data) if ended else data.rfind(b"\n") + 1
        if cut or ended:
            return bytes(data[:cut]), 0, ended
        if len(data) > LONGEST:
            return b"", len(data) + _skip_line(stream, limit), False


def _skip_line(stream: IO[bytes], limit: int) -> int:
    """Read to the end of a line and return the number of bytes."""
    skipped = 0
    while piece := stream.readline(limit):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped


def _open_lines(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
