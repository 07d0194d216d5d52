"""Erase lines of the journal: overwrite them with blanks where they stand.

Hooks append to the same files at the same time. So a file is neither replaced nor shortened: blank lines are
normal, and every other line keeps its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from stretto.journal.event_lines import LONGEST_LINE

MAGIC = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ")
"""First bytes of compressed files, whose lines cannot be overwritten in place."""


class CompressedFileError(OSError):
    """The file is compressed."""


def erase_lines(path: Path, is_erased: Callable[[bytes], bool]) -> int:
    """Overwrite the lines of a file for which a function answers True; return their number.

    The function gets a line without its newline. Lines that are appended meanwhile are looked at too. The
    file is on the disk when this returns. Raises OSError; CompressedFileError for a compressed file.
    """
    erased = 0
    with path.open("rb") as file, path.open("r+b", buffering=0) as output:
        if file.read(5).startswith(MAGIC):
            raise CompressedFileError(f"{path} is compressed")
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
