"""The identity of a journal file: hashes of its first bytes and of those before the position it was read to.

Device, inode and time change by a reboot, a restored backup or compression, so they only say when to look.
The hashes are of uncompressed content. A file whose identity differs from the stored identity is not the file
that was read, whatever its size.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import BinaryIO

EDGE = 4_096
"""Bytes hashed at the start of the file, and before the position."""


def compute_identity(content: BinaryIO, offset: int) -> str | None:
    """Return the identity of a file that was read up to ``offset``; None if it is shorter than that.

    Example: read to byte 10,000, the hashes are of bytes 0 to 4,095 and of 5,904 to 9,999.
    """
    head = _read_exactly(content, 0, min(EDGE, offset))
    tail_start = max(0, offset - EDGE)
    tail = head if not tail_start else _read_exactly(content, tail_start, EDGE)
    if head is None or tail is None:
        return None
    return _hash_bytes(head) + _hash_bytes(tail)


def _read_exactly(content: BinaryIO, start: int, length: int) -> bytes | None:
    content.seek(start)
    data = content.read(length)
    return data if len(data) == length else None


def _hash_bytes(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest()
