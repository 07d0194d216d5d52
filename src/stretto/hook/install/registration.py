"""Install Stretto's hooks in an agent's settings file, and remove them again.

All other settings are kept: outside the hooks byte for byte, inside the hooks by value and order. A file with
an unexpected shape is left unchanged and raises ``SettingsError``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stretto.errors import SettingsError
from stretto.hook.install.agents import CLAUDE_CODE, CodingAgent
from stretto.hook.install.client_copy import copy_client
from stretto.hook.install.handlers import (
    InstallPlan,
    build_handlers,
    find_our_handlers,
    get_client_folder,
    remove_our_handlers,
)
from stretto.hook.install.json_edit import drop_member, set_member
from stretto.hook.install.receipt import Receipt
from stretto.hook.install.settings_file import (
    back_up,
    compute_digest,
    find_container,
    get_backup_path,
    parse_settings,
    read_file,
    remove_file,
    write_file,
)
from stretto.hook.install.statusline_setting import (
    STATUS_LINE_MEMBER,
    is_our_status_line,
    register_status_line,
    restore_status_line,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChange:
    """The changes that an installation or removal has made, as values that can be dumped as JSON."""

    action: str
    """``installed``, ``updated``, ``removed`` or ``unchanged``."""
    agent: str
    settings: str
    events: tuple[str, ...]
    """The registered or removed hooks."""
    transport: str | None = None
    client: str | None = None
    """The folder of the client's copy, if this change has written it."""
    backup: str | None = None
    """The path of the backup, if other settings were in the file."""
    deleted: bool = False
    """Whether the settings file was removed, because it only ever held our hooks."""
    status_line: str | None = None
    """The status line's command after this change, if the change concerned the status line."""
    mcp: str | None = None
    """The file in which the MCP server was registered, or from which it was removed."""
    note: str | None = None
    """A note for the user: something to know or do before the hooks run."""


def install_hooks(plan: InstallPlan) -> SettingsChange:
    """Register the hooks, replacing those of an earlier installation, and copy the client.

    A second installation changes no byte. Raises SettingsError, with the settings unchanged. Example: the
    settings hold {"model": "x", "hooks": {"Stop": [theirs]}}. "Stop" becomes [theirs, ours], each other hook
    [ours], and "model" keeps its bytes.
    """
    agent, wanted = plan.agent, build_handlers(plan)
    before = read_file(plan.settings)
    text, value = parse_settings(agent, plan.settings, b"{}\n" if before is None else before)
    hooks_member = find_container(agent, plan.settings, value)
    hooks = _get_hooks(value, hooks_member)
    ours = find_our_handlers(hooks)
    unversioned = agent.version and "version" not in value
    if unversioned and remove_our_handlers(hooks, None):
        raise SettingsError(
            f"The settings have no version, so that {agent.title} ignores the hooks in them",
            where=str(plan.settings), hint='Add "version": 1 if they are meant to run, then try again.',
        )  # fmt: skip
    status_line = (
        register_status_line(value.get(STATUS_LINE_MEMBER), plan.program, plan.state)
        if plan.program
        else value.get(STATUS_LINE_MEMBER)
    )
    copied = copy_client(plan.state)
    change = SettingsChange(
        action="unchanged",
        agent=agent.name,
        settings=str(plan.settings),
        events=tuple(wanted),
        transport=plan.transport.value,
        client=str(get_client_folder(plan.state)) if copied else None,
        status_line=_get_command(status_line) if plan.program else None,
        note=agent.note or _explain_unknown_release(plan, len(wanted)),
    )
    is_same = ours == {event: [handler] for event, handler in wanted.items()} and status_line == value.get(
        STATUS_LINE_MEMBER
    )
    if is_same and not unversioned:
        return change
    installed = bool(ours) or is_our_status_line(value.get(STATUS_LINE_MEMBER))
    earlier = Receipt.load(plan.state, plan.settings) if installed else None
    merged = remove_our_handlers(hooks, earlier.containers if earlier else None)
    for event, handler in wanted.items():
        merged[event] = [*merged.get(event, []), agent.build_entry(handler)]
    text = set_member(text, "version", 1) if unversioned else text
    if status_line != value.get(STATUS_LINE_MEMBER):
        text = set_member(text, STATUS_LINE_MEMBER, status_line)
    after = (text if merged == hooks else _replace_hooks(text, hooks_member, hooks, merged)).encode()
    added = {*wanted} - {*hooks} | {name for name in (hooks_member, "version" if unversioned else "") if name}
    receipt = Receipt(
        created=before is None,
        containers=frozenset(added - ({hooks_member} if hooks_member in value else set())),
        original=None if before is None or installed else compute_digest(before),
        written=compute_digest(after),
    )
    backup = None
    if before is not None and not (earlier and earlier.written == compute_digest(before)):
        backup = back_up(plan.settings, before)
    write_file(plan.settings, after)
    (receipt.merge_earlier(earlier) if earlier else receipt).save(plan.state, plan.settings)
    return replace(change, action="updated" if installed else "installed", backup=backup)


def uninstall_hooks(settings: Path, state: Path, agent: CodingAgent = CLAUDE_CODE) -> SettingsChange:
    """Remove exactly our handlers, and the lists and the file that were created for them.

    If nothing else has changed since the installation, the file gets its original bytes. The client's copy
    stays for sessions that still run with the hooks. Raises SettingsError, with the settings unchanged.
    Example: of "Stop": [theirs, ours] the entry theirs stays, and a list with only our handler is removed.
    """
    before = read_file(settings)
    text, value = parse_settings(agent, settings, b"{}" if before is None else before)
    hooks_member = find_container(agent, settings, value)
    hooks = _get_hooks(value, hooks_member)
    ours = find_our_handlers(hooks)
    change = SettingsChange(action="unchanged", agent=agent.name, settings=str(settings), events=tuple(ours))
    status_line_before = value.get(STATUS_LINE_MEMBER)
    if before is None or not (ours or is_our_status_line(status_line_before)):
        return change
    receipt = Receipt.load(state, settings)
    remaining = remove_our_handlers(hooks, receipt.containers if receipt else None)
    emptied = not remaining and (receipt is None or not hooks_member or hooks_member in receipt.containers)
    obsolete = {hooks_member, "version"} & receipt.containers if receipt and emptied else set()
    status_line = restore_status_line(status_line_before)
    if is_our_status_line(status_line_before):
        change = replace(change, status_line=_get_command(status_line))
        obsolete |= {STATUS_LINE_MEMBER} if status_line is None else set()
    backup = get_backup_path(settings)
    if receipt and receipt.created and emptied and not {*_list_other_members(value, hooks_member)} - obsolete:
        remove_file(settings)
        change = replace(change, deleted=True)
    elif (
        receipt
        and receipt.written == compute_digest(before)
        and compute_digest(read_file(backup) or b"") == receipt.original
    ):
        write_file(settings, read_file(backup) or b"")
        remove_file(backup)
    else:
        change = replace(change, backup=back_up(settings, before))
        after = text
        if ours and hooks_member and emptied:
            after = drop_member(text, hooks_member)
        elif ours:
            after = _replace_hooks(text, hooks_member, hooks, remaining)
        for member in obsolete - {hooks_member}:
            after = drop_member(after, member)
        if status_line != status_line_before and status_line is not None:
            after = set_member(after, STATUS_LINE_MEMBER, status_line)
        write_file(settings, after.encode())
    Receipt.drop(state, settings)
    return replace(change, action="removed")


def _explain_unknown_release(plan: InstallPlan, count: int) -> str | None:
    """Return why hooks of Claude Code were left out, or None if its release is known."""
    left_out = len(plan.agent.events) - count
    if plan.agent is not CLAUDE_CODE or plan.version is not None or not left_out:
        return None
    return (
        f"the version of Claude Code is not known: {left_out} hooks that old versions refuse are left out; "
        "run it once, or install with claude on the PATH"
    )


def _get_command(line: object) -> str | None:
    """Return the command of a status line, or None."""
    return line.get("command") if isinstance(line, dict) else None


def _get_hooks(value: dict[str, Any], hooks_member: str) -> dict[str, Any]:
    """Return the hooks in a settings file's value."""
    return value.get(hooks_member, {}) if hooks_member else value


def _list_other_members(value: dict[str, Any], hooks_member: str) -> list[str]:
    """Return the members of a settings file except the member with the hooks."""
    return [name for name in value if name != hooks_member] if hooks_member else []


def _replace_hooks(text: str, hooks_member: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return the text of a settings file with its hooks replaced."""
    if hooks_member:
        return set_member(text, hooks_member, after)
    for event in [event for event in before if event not in after]:
        text = drop_member(text, event)
    for event in [event for event in after if after[event] != before.get(event)]:
        text = set_member(text, event, after[event])
    return text
