"""Erase lines of the journal: overwrite them with blanks where they stand.

Hooks append to the same files at the same time. So a file is neither replaced nor shortened: blank lines are
normal, and every other line keeps its place. A compressed part rests, and is replaced by one with blanks.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from errno import EIO
from pathlib import Path

from stretto.journal.compression import COMPRESSED, PARTS, get_content_part_path, write_compressed
from stretto.journal.event_lines import LONGEST_LINE

MAGIC = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ")
"""First bytes of compressed files, whose lines cannot be overwritten in place."""


class FileIsCompressedError(OSError):
    """The file is compressed."""


def erase_lines(path: Path, is_erased: Callable[[bytes], bool]) -> int:
    """Overwrite the lines of a file for which a function answers True; return their number.

    The function gets a line without its newline. Lines that are appended meanwhile are looked at too. The
    file is on the disk when this returns. Raises OSError; FileIsCompressedError for a compressed file.
    """
    erased = 0
    with path.open("rb") as file, path.open("r+b", buffering=0) as output:
        if file.read(5).startswith(MAGIC):
            raise FileIsCompressedError(f"{path} is compressed")
        file.seek(0)
        offset = 0
        while line := file.readline(LONGEST_LINE):
            content = line.rstrip(b"\n")
            if content and not content.isspace() and is_erased(content):
                output.seek(offset)
                output.write(b" " * len(content))
                erased += 1
            offset += len(line)
        os.fsync(output.fileno())
    return erased


def erase_from_file(folder: Path, file: str, is_erased: Callable[[bytes], bool]) -> int:
    """Erase lines from all parts of a journal file, compressed ones too; return their number.

    Nobody else may rewrite or compress the journal's files meanwhile. Raises OSError.
    """
    erased = 0
    for suffix in PARTS:
        path = get_content_part_path(folder, file, suffix)
        if path.exists():
            erase = _rewrite_compressed if suffix == COMPRESSED else erase_lines
            erased += erase(path, is_erased)
    return erased


def _rewrite_compressed(path: Path, is_erased: Callable[[bytes], bool]) -> int:
    """Replace a compressed part by one with blanks for the erased lines, if there are any."""
    erased = 0

    def blank_lines() -> Iterator[bytes]:
        nonlocal erased
        with gzip.open(path, "rb") as content:
            while line := content.readline(LONGEST_LINE):
                text = line.rstrip(b"\n")
                if text and not text.isspace() and is_erased(text):
                    erased += 1
                    line = b" " * len(text) + line[len(text) :]
                yield line

    new = path.with_name(f"{path.name}.new")
    try:
        write_compressed(new, blank_lines())
        if erased:
            new.replace(path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise OSError(EIO, f"its compressed part is damaged ({error})", str(path)) from error
    finally:
        new.unlink(missing_ok=True)
    return erased
