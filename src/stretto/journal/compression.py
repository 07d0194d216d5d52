"""Compression of journal files at rest: the parts of a file on the disk, and how they become one.

A file ``X.jsonl`` may have three parts: ``X.jsonl.gz``, compressed; ``X.jsonl.closing``, about to be
compressed; and ``X.jsonl``, the lines that arrived since. Its content is the three in this order, so a late
writer needs to know nothing, and offsets and hashes are those of the uncompressed lines.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from errno import EIO
from functools import lru_cache
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

COMPRESSED = ".gz"
CLOSING = ".closing"
PARTS = (COMPRESSED, CLOSING, "")
"""Suffixes of the parts of a file after its name, in the order of their content."""

LEVEL = 6
LARGEST = (1 << 32) - 1
"""Bytes. The format keeps a size of 32 bits, so a larger file is left as it is."""

IN_MEMORY = 1 << 24
"""Bytes of an uncompressed file that are held in memory; a larger one goes to an unnamed file meanwhile."""

_CHUNK = 1 << 20


def get_content_part_path(folder: Path, file: str, suffix: str) -> Path:
    """Return the path of a part of a journal file."""
    return folder / (file + suffix)


@lru_cache(maxsize=4_096)
def read_content_size(path: Path, mark: str) -> int:  # noqa: ARG001  # the mark changes with the file
    """Return the uncompressed size of a compressed part, from its last four bytes. Raises OSError."""
    with path.open("rb") as compressed:
        compressed.seek(-4, os.SEEK_END)
        return int.from_bytes(compressed.read(4), "little")


def open_joined_parts(folder: Path, file: str) -> BinaryIO:
    """Open the content of a journal file. Raises OSError, also if a compressed part is damaged."""
    if not any(get_content_part_path(folder, file, suffix).exists() for suffix in (COMPRESSED, CLOSING)):
        return (folder / file).open("rb")
    content = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=str(folder))  # noqa: SIM115  # the caller closes it
    try:
        for chunk in _read_parts(folder, file, PARTS):
            content.write(chunk)
        content.seek(0)
    except BaseException:
        content.close()
        raise
    return cast("BinaryIO", content)


def is_compressed(folder: Path, file: str) -> bool:
    """Return whether a journal file has a compressed part."""
    return get_content_part_path(folder, file, COMPRESSED).exists()


def has_uncompressed_part(folder: Path, file: str) -> bool:
    """Return whether a journal file has lines that are not compressed."""
    paths = (get_content_part_path(folder, file, suffix) for suffix in (CLOSING, ""))
    return any(path.exists() and path.stat().st_size > 0 for path in paths)


def compress_file(folder: Path, file: str) -> bool:
    """Compress a journal file that rests, with what it has compressed already; return whether there was any.

    Killed at any moment, the content stays whole: only between replacing the compressed part and deleting
    the closing part are lines there twice, which ``delete_parts_already_compressed`` mends. Raises OSError.
    """
    plain, closing = folder / file, get_content_part_path(folder, file, CLOSING)
    _drop_closing_if_done(folder, file)
    if not closing.exists():
        if not plain.exists() or plain.stat().st_size == 0:
            return False
        # From now on writers begin a new file; the old one is not written to any more.
        plain.rename(closing)
    if sum(_measure_parts(folder, file)) > LARGEST:
        return False
    new = get_content_part_path(folder, file, ".gz.new")
    size = closing.stat().st_size
    checksum = write_compressed(new, _read_parts(folder, file, (COMPRESSED, CLOSING)))
    if closing.stat().st_size != size or checksum != _sum_content(new):
        # A writer that had the file open was late, or the disk lies: the next pass tries again.
        new.unlink()
        return False
    new.replace(get_content_part_path(folder, file, COMPRESSED))
    _sync_folder(folder)
    closing.unlink()
    return True


def delete_parts_already_compressed(folder: Path) -> None:
    """Delete the closing parts that a killed compression has left beside their compressed content."""
    with suppress(FileNotFoundError):
        for path in sorted(folder.glob(f"*{CLOSING}")):
            _drop_closing_if_done(folder, path.name.removesuffix(CLOSING))


def delete_all_parts(folder: Path, file: str) -> None:
    """Delete a journal file with all of its parts."""
    for suffix in PARTS:
        get_content_part_path(folder, file, suffix).unlink(missing_ok=True)


class ContentCheck(NamedTuple):
    """What two copies of the same content have in common."""

    length: int
    checksum: int


def write_compressed(path: Path, chunks: Iterator[bytes]) -> ContentCheck:
    """Write chunks to a compressed file (0600) and sync it; return length and checksum of the content."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    length = checksum = 0
    with os.fdopen(descriptor, "wb") as output:
        with gzip.GzipFile(
            filename="", mode="wb", compresslevel=LEVEL, fileobj=output, mtime=0
        ) as compressed:
            for chunk in chunks:
                compressed.write(chunk)
                length += len(chunk)
                checksum = zlib.crc32(chunk, checksum)
        output.flush()
        os.fsync(output.fileno())
    return ContentCheck(length, checksum)


def _drop_closing_if_done(folder: Path, file: str) -> None:
    """Delete the closing part if the compressed part ends with it already: its compression was killed."""
    closing, compressed = (
        get_content_part_path(folder, file, CLOSING),
        get_content_part_path(folder, file, COMPRESSED),
    )
    if not closing.exists() or not compressed.exists():
        return
    size = closing.stat().st_size
    # A damaged compressed part proves nothing: the closing part stays.
    with suppress(OSError), tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=str(folder)) as content:
        for chunk in _read_parts(folder, file, (COMPRESSED,)):
            content.write(chunk)
        if size <= content.tell():
            content.seek(content.tell() - size)
            with closing.open("rb") as lines:
                is_same = all(
                    lines.read(_CHUNK) == chunk for chunk in iter(lambda: content.read(_CHUNK), b"")
                )
            if is_same:
                closing.unlink()


def _read_parts(folder: Path, file: str, suffixes: tuple[str, ...]) -> Iterator[bytes]:
    """Yield the content of some parts of a file in chunks; missing parts are empty."""
    for suffix in suffixes:
        path = get_content_part_path(folder, file, suffix)
        try:
            with _open_part(path, suffix) as part:
                while chunk := part.read(_CHUNK):
                    yield chunk
        except FileNotFoundError:
            continue
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise OSError(
                EIO, f"its compressed part is damaged ({error}): restore a backup", str(path)
            ) from error


def _open_part(path: Path, suffix: str) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if suffix == COMPRESSED else path.open("rb")


def _measure_parts(folder: Path, file: str) -> Iterator[int]:
    compressed, closing = (
        get_content_part_path(folder, file, COMPRESSED),
        get_content_part_path(folder, file, CLOSING),
    )
    yield read_content_size(compressed, str(compressed.stat().st_mtime_ns)) if compressed.exists() else 0
    yield closing.stat().st_size if closing.exists() else 0


def _sum_content(path: Path) -> tuple[int, int]:
    length = checksum = 0
    with gzip.open(path, "rb") as content:
        while chunk := content.read(_CHUNK):
            length += len(chunk)
            checksum = zlib.crc32(chunk, checksum)
    return length, checksum


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
