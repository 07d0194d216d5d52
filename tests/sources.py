"""Syntax trees of source files, parsed once for all tests that walk through them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def parse_file(path: Path) -> ast.Module:
    """Return the syntax tree of a file that does not change while tests run; nobody may change the tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def walk_file(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file's syntax tree, as ``ast.walk`` gives them."""
    return tuple(ast.walk(parse_file(path)))
