"""Read a user's file of alert receivers and merge it into Alertmanager's configuration.

The file has ``receivers`` in Alertmanager's format, under the names that the shipped routes use. The two
files are merged as YAML nodes, not as values. So every setting reaches Alertmanager as it was written, and an
error can name its line.
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

NAMES = (
    "stretto-escalation", "stretto-critical", "stretto-warning", "stretto-info", "stretto-watchdog",
    "stretto-report", "stretto-notice",
)  # fmt: skip
"""The receivers of the shipped routes: of alerts the most severe first, then those of news."""

NOTICE_RECEIVER = "stretto-notice"

KIND = re.compile(r"[a-z0-9_]+_configs").fullmatch
FREE = frozenset({"details", "headers"})
"""Tables with the user's own keys, in which the ending ``_file`` has no meaning."""

AMTOOL_SECONDS = 30
ROUTE = "\nroute:\n  receiver: {name}\n"
"""Text that makes the user's file a full configuration; added at its end, to keep its line numbers."""


@dataclass(frozen=True, slots=True)
class ReceiversFile:
    """The receivers of a file, checked as far as possible without Alertmanager."""

    path: Path
    kinds: dict[str, tuple[str, ...]]
    """Receiver → its integrations, such as ``slack``; only the receivers in the file."""
    text: str
    """The text of the file."""
    nodes: dict[str, yaml.MappingNode]
    """Receiver → its table, with absolute file paths."""


def read_receivers(path: Path) -> ReceiversFile:
    """Return the receivers of a file; relative paths in ``…_file`` keys are resolved from the file's folder.

    Raises ConfigError if the file cannot be read, is not YAML, has a receiver or key that Alertmanager does
    not know, or names a secret's file that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "the file of receivers cannot be read", where=str(path), cause=str(error)
        ) from error
    except yaml.YAMLError as error:
        cause = " ".join(str(error).split())
        raise ConfigError("the file of receivers is not YAML", where=str(path), cause=cause) from error
    nodes = dict(_find_receivers(path, top))
    for node in nodes.values():
        _make_absolute(path, node, set())
    kinds = {
        name: tuple(key.removesuffix("_configs") for key, _ in _list_pairs(node) if key != "name")
        for name, node in nodes.items()
    }
    return ReceiversFile(path, kinds, text, nodes)


def check_receivers(receivers: ReceiversFile, find: Callable[[str], str | None] = shutil.which) -> None:
    """Check a file of receivers with Alertmanager's own tool, if that is installed.

    Raises ConfigError with the tool's message, whose line numbers are those of the file.
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
            # The tool does not work here; Alertmanager itself will report an error.
            return
    if ended.returncode:
        output = " ".join((ended.stdout + ended.stderr).replace(str(alone), receivers.path.name).split())
        _, _, complaint = output.partition("FAILED: ")
        raise ConfigError(
            "Alertmanager does not accept the receivers", where=str(receivers.path), cause=complaint or output
        )


def merge_receivers(configuration: str, receivers: ReceiversFile) -> str:
    """Return Alertmanager's configuration with a file's integrations added after its own."""
    top = yaml.compose(configuration, Loader=yaml.SafeLoader)
    assert isinstance(top, yaml.MappingNode)
    shipped = dict(_list_pairs(top))["receivers"]
    for node in shipped.value:
        present = dict(_list_pairs(node))
        for key, added in _list_pairs(receivers.nodes.get(present["name"].value)):
            if key in present and key != "name":
                present[key].value.extend(added.value)
            elif key != "name":
                node.value.append((yaml.ScalarNode("tag:yaml.org,2002:str", key), added))
    text: str = yaml.serialize(top, Dumper=yaml.SafeDumper, allow_unicode=True, width=1_000)
    header = (
        f"# Made by stretto from the shipped configuration and {receivers.path}; change that file instead.\n"
    )
    return header + text


def _find_receivers(path: Path, top: yaml.Node | None) -> Iterator[tuple[str, yaml.MappingNode]]:
    if not isinstance(top, yaml.MappingNode):
        raise ConfigError(
            "the file of receivers must be a table with the key 'receivers'",
            where=str(path),
            hint="receivers.example.yml has an example of each kind",
        )
    if top.flow_style:
        raise _build_fault(path, top, "the table must be written in lines, without braces")
    for key, node in _list_pairs(top):
        if key != "receivers":
            raise _build_fault(
                path, node, f"{key!r} is not known", hint="the only key at the top is 'receivers'"
            )
    listed = dict(_list_pairs(top)).get("receivers")
    if not isinstance(listed, yaml.SequenceNode) or not listed.value:
        raise _build_fault(path, listed or top, "receivers must be a list of receivers")
    seen: set[str] = set()
    for node in listed.value:
        name = _check_receiver(path, node)
        if name in seen:
            raise _build_fault(
                path, node, f"{name} occurs twice", hint="put both integrations under a single name"
            )
        seen.add(name)
        yield name, node


def _check_receiver(path: Path, node: yaml.Node) -> str:
    """Return the name of a receiver after checking its keys. Raises ConfigError."""
    members = dict(_list_pairs(node))
    name = members.get("name")
    if not isinstance(name, yaml.ScalarNode):
        raise _build_fault(path, node, "a receiver must be a table with a name")
    if name.value not in NAMES:
        raise _build_fault(path, name, f"no route leads to {name.value!r}", hint=f"known: {', '.join(NAMES)}")
    for key, integrations in members.items():
        if key == "name":
            continue
        if not KIND(key):
            hint = "Alertmanager's keys are slack_configs, email_configs, webhook_configs and the like"
            raise _build_fault(path, integrations, f"{name.value}: {key!r} is not known", hint=hint)
        tables = integrations.value if isinstance(integrations, yaml.SequenceNode) else []
        if not tables or not all(isinstance(table, yaml.MappingNode) for table in tables):
            raise _build_fault(path, integrations, f"{name.value}.{key} must be a list of tables")
    if len(members) == 1:
        raise _build_fault(
            path, node, f"{name.value} has no integration", hint="add one, such as slack_configs"
        )
    return str(name.value)


def _make_absolute(path: Path, node: yaml.Node, seen: set[int]) -> None:
    """Make relative paths absolute, because the servers run in another folder; visit aliased nodes once."""
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
    """Return a table's keys and values, or nothing if the node is not a table."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return [(str(key.value), value) for key, value in pairs]


def _build_fault(path: Path, node: yaml.Node, problem: str, *, hint: str = "") -> ConfigError:
    return ConfigError(problem, where=f"{path}, line {node.start_mark.line + 1}", hint=hint)
