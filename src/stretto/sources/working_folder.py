"""Describe the folder that a session works in: repository and worktree, without its path."""

from __future__ import annotations

from functools import lru_cache

from stretto.hook.client.client import find_project, hash_repository
from stretto.model.event import Value, omit_none


def describe_folder(folder: object, key: bytes) -> dict[str, Value]:
    """Return ``project``, ``worktree`` and ``repository`` of a folder, as hooks report them.

    Names come from the path and from the ``.git`` of the folders above, if they are still there. The last is
    a hash of the repository's path under ``key``; without a key there is none.
    """
    return dict(_describe_path(folder, key)) if isinstance(folder, str) else {}


@lru_cache(maxsize=256)
def _describe_path(folder: str, key: bytes) -> tuple[tuple[str, Value], ...]:
    # Looked up once for all lines that name the folder.
    project, worktree, root = find_project(folder)
    found = omit_none(project=project, worktree=worktree, repository=hash_repository(root, key))
    return tuple(found.items())
