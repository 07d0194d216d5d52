"""Receivers: where alerts go beside the page, from a user's file to Alertmanager's configuration.

The file holds ``receivers`` as Alertmanager writes them, under the names that the shipped routes lead to. It
is merged as YAML's nodes, not as values: what stands in either file reaches Alertmanager as it was written,
and a fault can be told with its line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from stretto.errors import ConfigError

NAMES = ("stretto-critical", "stretto-warning", "stretto-info", "stretto-watchdog")
"""The receivers of the shipped routes, the gravest first."""

KIND = re.compile(r"[a-z0-9_]+_configs").fullmatch
FREE = frozenset({"details", "headers"})
"""Tables of the user's own keys, where a name that ends in ``_file`` means nothing."""

AMTOOL_SECONDS = 30
ROUTE = "\nroute:\n  receiver: {name}\n"
"""What makes the file alone a configuration; at its end, so that a complaint's line is the file's own."""


@dataclass(frozen=True, slots=True)
class ReceiversFile:
    """What a file adds, checked as far as can be known without Alertmanager."""

    path: Path
    kinds: dict[str, tuple[str, ...]]
    """Receiver → its ways out, such as ``slack``; only receivers that the file names."""
    text: str
    """The file as it stands."""
    nodes: dict[str, yaml.MappingNode]
    """Receiver → its table, with the paths of files made absolute."""


def read_receivers(path: Path) -> ReceiversFile:
    """Return what a file adds; relative paths in keys that end in ``_file`` are taken from its folder.

    Raises ConfigError on a file that cannot be read, is not YAML, holds another receiver or key than
    Alertmanager's of that place, or names a file with a secret that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the receivers' file cannot be read", where=str(path), cause=str(error)) from error
    except yaml.YAMLError as error:
        cause = " ".join(str(error).split())
        raise ConfigError("the receivers' file is not YAML", where=str(path), cause=cause) from error
    nodes = dict(_find_receivers(path, top))
    for node in nodes.values():
        _make_absolute(path, node, set())
    kinds = {
        name: tuple(key.removesuffix("_configs") for key, _ in _list_pairs(node) if key != "name")
        for name, node in nodes.items()
    }
    return ReceiversFile(path, kinds, text, nodes)


def check_receivers(receivers: ReceiversFile, find: Callable[[str], str | None] = shutil.which) -> None:
    """Have Alertmanager's own tool read what a file adds, where that tool is installed.

    Raises ConfigError with its complaint, whose lines are the file's.
    """
    amtool = find("amtool")
    if amtool is None:
        return
    with tempfile.TemporaryDirectory(prefix="stretto-") as folder:
        alone = Path(folder) / receivers.path.name
        alone.write_text(receivers.text + ROUTE.format(name=next(iter(receivers.nodes))), encoding="utf-8")
        try:
            ended = subprocess.run(  # noqa: S603  # a program found on the PATH, our own arguments
                [amtool, "check-config", str(alone)],
                capture_output=True,
                text=True,
                check=False,
                timeout=AMTOOL_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired):
            # No tool that works: Alertmanager itself will complain.
            return
    if ended.returncode:
        said = " ".join((ended.stdout + ended.stderr).replace(str(alone), receivers.path.name).split())
        _, _, complaint = said.partition("FAILED: ")
        raise ConfigError(
            "Alertmanager does not take the receivers", where=str(receivers.path), cause=complaint or said
        )


def merge_receivers(configuration: str, receivers: ReceiversFile) -> str:
    """Return Alertmanager's configuration with the ways out that a file adds, behind those it has."""
    top = yaml.compose(configuration, Loader=yaml.SafeLoader)
    assert isinstance(top, yaml.MappingNode)
    shipped = dict(_list_pairs(top))["receivers"]
    for node in shipped.value:
        mine = dict(_list_pairs(node))
        for key, added in _list_pairs(receivers.nodes.get(mine["name"].value)):
            if key in mine and key != "name":
                mine[key].value.extend(added.value)
            elif key != "name":
                node.value.append((yaml.ScalarNode("tag:yaml.org,2002:str", key), added))
    text: str = yaml.serialize(top, Dumper=yaml.SafeDumper, allow_unicode=True, width=1_000)
    return f"# Made by stretto of what ships and of {receivers.path}; change that file instead.\n{text}"


def _find_receivers(path: Path, top: yaml.Node | None) -> Iterator[tuple[str, yaml.MappingNode]]:
    if not isinstance(top, yaml.MappingNode):
        raise ConfigError(
            "the receivers' file must be a table with the key 'receivers'",
            where=str(path),
            hint="receivers.example.yml has one of each kind",
        )
    if top.flow_style:
        raise _build_fault(path, top, "the table must be written in lines, without braces")
    for key, node in _list_pairs(top):
        if key != "receivers":
            raise _build_fault(
                path, node, f"{key!r} is not known", hint="the one key at the top is 'receivers'"
            )
    listed = dict(_list_pairs(top)).get("receivers")
    if not isinstance(listed, yaml.SequenceNode) or not listed.value:
        raise _build_fault(path, listed or top, "receivers must be a list of receivers")
    seen: set[str] = set()
    for node in listed.value:
        name = _check_receiver(path, node)
        if name in seen:
            raise _build_fault(
                path, node, f"{name} stands there twice", hint="put both ways out under one name"
            )
        seen.add(name)
        yield name, node


def _check_receiver(path: Path, node: yaml.Node) -> str:
    """Return the name of a receiver whose keys are sound."""
    found = dict(_list_pairs(node))
    name = found.get("name")
    if not isinstance(name, yaml.ScalarNode):
        raise _build_fault(path, node, "a receiver must be a table with a name")
    if name.value not in NAMES:
        raise _build_fault(path, name, f"no route leads to {name.value!r}", hint=f"known: {', '.join(NAMES)}")
    for key, ways in found.items():
        if key == "name":
            continue
        if not KIND(key):
            hint = "Alertmanager's keys are slack_configs, email_configs, webhook_configs and the like"
            raise _build_fault(path, ways, f"{name.value}: {key!r} is not known", hint=hint)
        tables = ways.value if isinstance(ways, yaml.SequenceNode) else []
        if not tables or not all(isinstance(way, yaml.MappingNode) for way in tables):
            raise _build_fault(path, ways, f"{name.value}.{key} must be a list of tables")
    if len(found) == 1:
        raise _build_fault(path, node, f"{name.value} has no way out", hint="such as slack_configs")
    return str(name.value)


def _make_absolute(path: Path, node: yaml.Node, seen: set[int]) -> None:
    """Make relative paths absolute, because the servers run elsewhere. Aliases are met more than once."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _make_absolute(path, item, seen)
    for key, value in _list_pairs(node):
        if key.endswith("_file") and isinstance(value, yaml.ScalarNode):
            file = path.parent.resolve() / value.value
            if not file.is_file() or not os.access(file, os.R_OK):
                raise _build_fault(path, value, f"{key} names a file that cannot be read: {file}")
            value.value = str(file)
        elif key not in FREE:
            _make_absolute(path, value, seen)


def _list_pairs(node: yaml.Node | None) -> list[tuple[str, yaml.Node]]:
    """Return a table's keys and values; nothing where it is no table."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return [(str(key.value), value) for key, value in pairs]


def _build_fault(path: Path, node: yaml.Node, what: str, *, hint: str = "") -> ConfigError:
    return ConfigError(what, where=f"{path}, line {node.start_mark.line + 1}", hint=hint)
