"""Install and remove Stretto's hooks in an agent's settings files.

Everything of other owners stays: outside the hooks byte for byte, inside by value and order. A file that is
not what it should be is left as it is, with a ``SettingsError``.
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
from stretto.hook.install.statusline_setting import MEMBER, is_ours, register_status_line, restore_status_line


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChange:
    """What an install or uninstall has done; plain text and booleans, so that it dumps as JSON."""

    action: str
    """``installed``, ``updated``, ``removed`` or ``unchanged``."""
    agent: str
    settings: str
    events: tuple[str, ...]
    """The hooks registered or, by ``uninstall_hooks``, removed."""
    transport: str | None = None
    client: str | None = None
    """The folder of the client's copy, where this change has written it."""
    backup: str | None = None
    """The settings as they were before, where something of others was at stake."""
    deleted: bool = False
    """The settings file is gone again, because nothing but ours was ever in it."""
    status_line: str | None = None
    """The status line's command as it now is, where this change was to register ours or has removed it."""
    note: str | None = None
    """What a person has to know or do before the hooks run."""


def install_hooks(plan: InstallPlan) -> SettingsChange:
    """Register the hooks in place of what an earlier install left, and copy the client to the state folder.

    A second install changes no byte. Raises SettingsError, with the settings untouched.
    """
    agent, wanted = plan.agent, build_handlers(plan)
    before = read_file(plan.settings)
    text, value = parse_settings(agent, plan.settings, b"{}\n" if before is None else before)
    inside = find_container(agent, plan.settings, value)
    hooks = _get_hooks(value, inside)
    mine = find_our_handlers(hooks)
    unversioned = agent.version and "version" not in value
    if unversioned and remove_our_handlers(hooks, None):
        raise SettingsError(
            f"The settings have no version, so that {agent.title} ignores the hooks in them",
            where=str(plan.settings), hint='Add "version": 1 if they are meant to run, then try again.',
        )  # fmt: skip
    line = (
        register_status_line(value.get(MEMBER), plan.program, plan.state)
        if plan.program
        else value.get(MEMBER)
    )
    copied = copy_client(plan.state)
    change = SettingsChange(
        action="unchanged",
        agent=agent.name,
        settings=str(plan.settings),
        events=tuple(wanted),
        transport=plan.transport.value,
        client=str(get_client_folder(plan.state)) if copied else None,
        status_line=_get_command(line) if plan.program else None,
        note=agent.note or None,
    )
    same = mine == {event: [handler] for event, handler in wanted.items()} and line == value.get(MEMBER)
    if same and not unversioned:
        return change
    installed = bool(mine) or is_ours(value.get(MEMBER))
    earlier = Receipt.load(plan.state, plan.settings) if installed else None
    merged = remove_our_handlers(hooks, earlier.containers if earlier else None)
    for event, handler in wanted.items():
        merged[event] = [*merged.get(event, []), agent.build_entry(handler)]
    text = set_member(text, "version", 1) if unversioned else text
    if line != value.get(MEMBER):
        text = set_member(text, MEMBER, line)
    after = (text if merged == hooks else _replace_hooks(text, inside, hooks, merged)).encode()
    made = {*wanted} - {*hooks} | {name for name in (inside, "version" if unversioned else "") if name}
    receipt = Receipt(
        created=before is None,
        containers=frozenset(made - ({inside} if inside in value else set())),
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
    """Remove exactly our handlers, with the lists and the file that only they needed.

    Where nothing else has changed since the install, the file gets its former bytes back. The client's copy
    stays for the sessions that still run with the hooks. Raises SettingsError, with the settings untouched.
    """
    before = read_file(settings)
    text, value = parse_settings(agent, settings, b"{}" if before is None else before)
    inside = find_container(agent, settings, value)
    hooks = _get_hooks(value, inside)
    mine = find_our_handlers(hooks)
    change = SettingsChange(action="unchanged", agent=agent.name, settings=str(settings), events=tuple(mine))
    shown = value.get(MEMBER)
    if before is None or not (mine or is_ours(shown)):
        return change
    receipt = Receipt.load(state, settings)
    rest = remove_our_handlers(hooks, receipt.containers if receipt else None)
    emptied = not rest and (receipt is None or not inside or inside in receipt.containers)
    needless = {inside, "version"} & receipt.containers if receipt and emptied else set()
    line = restore_status_line(shown)
    if is_ours(shown):
        change = replace(change, status_line=_get_command(line))
        needless |= {MEMBER} if line is None else set()
    backup = get_backup_path(settings)
    if receipt and receipt.created and emptied and not {*_list_other_members(value, inside)} - needless:
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
        left = text
        if mine:
            left = (
                drop_member(text, inside) if inside and emptied else _replace_hooks(text, inside, hooks, rest)
            )
        for member in needless - {inside}:
            left = drop_member(left, member)
        if line != shown and line is not None:
            left = set_member(left, MEMBER, line)
        write_file(settings, left.encode())
    Receipt.drop(state, settings)
    return replace(change, action="removed")


def _get_command(line: object) -> str | None:
    """Return the command of a status line, or None."""
    return line.get("command") if isinstance(line, dict) else None


def _get_hooks(value: dict[str, Any], inside: str) -> dict[str, Any]:
    """Return the hooks in a settings file's value."""
    return value.get(inside, {}) if inside else value


def _list_other_members(value: dict[str, Any], inside: str) -> list[str]:
    """Return the members of a settings file beside the one with the hooks."""
    return [name for name in value if name != inside] if inside else []


def _replace_hooks(text: str, inside: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return the text of a settings file with other hooks in it."""
    if inside:
        return set_member(text, inside, after)
    for event in [event for event in before if event not in after]:
        text = drop_member(text, event)
    for event in [event for event in after if after[event] != before.get(event)]:
        text = set_member(text, event, after[event])
    return text
