"""Write what is generated from the code: pages of the documentation, and the hooks of the Claude Code plugin.

``docs/metrics.md`` comes from the table of names, ``docs/cli.md`` from the parser,
``docs/dashboards.md`` from the boards, what ``docs/terminal.md`` shows from the program,
the plugin's hooks from the installer and the hook client.

``--check`` writes nothing and exits with 1 where a file differs; a test does the same.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

# The builder of the dashboards stands beside src, where a script in docs does not look.
sys.path.insert(0, str(Path(__file__).parents[1]))

from docs.terminal_pictures import with_pictures
from grafana.board import page as dashboards

from stretto.cli.command_line import build_parser
from stretto.hook.client import client
from stretto.hook.install.handlers import MARK, TOLERANT, InstallPlan, build_handlers
from stretto.names import DERIVED, HUB_METRICS, LIVE, SELF_METRICS, Metric
from stretto.operations.envelope import make_envelope_schema
from stretto.operations.operation import Operation, OperationGroup
from stretto.operations.operation_errors import CODE_MEANINGS
from stretto.operations.operation_table import OPERATIONS
from stretto.servers.export_files import SHIPPED_ADDRESS, ExportSettings, ShippedFiles, build_fleet_rule_files
from stretto.web.app import list_api_routes
from stretto.web.openapi import OpenApiRoute, build_openapi_document
from stretto.web.operation_routes import STATUSES

DOCS = Path(__file__).parent
FLEET_RULES = DOCS.parent / "deploy/kubernetes/overlays/monitoring/fleet-rules.yaml"
PLUGIN = DOCS.parent / "deploy" / "claude-code-plugin"
PLUGIN_CLIENT = ("client.py", "tests_and_written_files.py", "start.py")
"""The hook client as far as Claude Code's own events need it."""
PLUGIN_LINE = (
    's="${STRETTO_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/stretto}"; [ -d "$s/journal" ] && '
    '"${STRETTO_PYTHON:-python3}" -I -S "${CLAUDE_PLUGIN_ROOT}/hook/start.py" "$s" '
    f"2>/dev/null || : {MARK}"
)
"""What each hook of the plugin runs. Without a journal there is nobody to report to; whatever fails, it ends
with 0 and silence."""
MARK = "<!-- made by docs/generate.py; change the code instead -->"


def pages() -> dict[Path, str]:
    """Return every generated file's text by its path."""
    package = Path(client.__file__).parent
    return {
        DOCS / "metrics.md": metrics_page(),
        DOCS / "cli.md": cli_page(),
        DOCS / "dashboards.md": dashboards.render_page(MARK),
        DOCS / "operations.md": operations_page(),
        DOCS / "operations.schema.json": operations_schema(),
        DOCS / "openapi.json": openapi_document(),
        DOCS / "sources.md": with_capabilities((DOCS / "sources.md").read_text(encoding="utf-8")),
        DOCS / "terminal.md": with_pictures((DOCS / "terminal.md").read_text(encoding="utf-8")),
        PLUGIN / "hooks" / "hooks.json": plugin_hooks(),
        FLEET_RULES: fleet_rules(),
        **{PLUGIN / "hook" / name: (package / name).read_text(encoding="utf-8") for name in PLUGIN_CLIENT},
    }


def fleet_rules() -> str:
    """Return the rules of teams as an object of the Prometheus operator, for any namespace."""
    top = DOCS.parent
    shipped = ShippedFiles(
        top / "prometheus", top / "deploy" / "alertmanager", top / "grafana" / "dashboards"
    )
    settings = ExportSettings("stretto", SHIPPED_ADDRESS, interval=60)
    rule = yaml.safe_load(build_fleet_rule_files(shipped, settings)["fleet-rules.yml"])
    del rule["metadata"]["namespace"]
    text = yaml.safe_dump(rule, sort_keys=False, allow_unicode=True, width=1000)
    return f"# Made by docs/generate.py from prometheus/fleet; change those files instead.\n{text}"


def openapi_document() -> str:
    """Return the description of the API, from the table of its routes, which asks nothing of a backend."""
    nothing = SimpleNamespace(updates=None)
    own = OpenApiRoute([], "").list_routes()
    document = build_openapi_document([*list_api_routes(nothing), *own], "0")
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


CAPABILITIES = ("<!-- capabilities, made by docs/generate.py -->\n", "<!-- end of capabilities -->\n")


def with_capabilities(page: str) -> str:
    """Return the page with the table of what each channel gave of the recorded runs of real clients."""
    head, _, rest = page.partition(CAPABILITIES[0])
    tail = rest.partition(CAPABILITIES[1])[2]
    rows = json.loads((DOCS / "capabilities.json").read_text(encoding="utf-8"))
    lines = [
        "| agent | channel | turns | tasks | parallel | calls | outcomes | output tokens | session's end |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_capability_row(row) for row in rows]
    return f"{head}{CAPABILITIES[0]}" + "\n".join(lines) + f"\n{CAPABILITIES[1]}{tail}"


def _capability_row(row: dict[str, Any]) -> str:
    parallel = " + ".join(str(width) for width in row["parallel"]) or "–"
    tokens = "–" if row["output_tokens"] is None else f"{row['output_tokens']:,}"
    cells = [
        f"{row['agent']}, {row['run'].replace('-', ' ')}",
        row["channel"], row["turns"], row["tasks"], parallel, row["calls"],
        f"{row['outcomes']} of {row['calls']}", tokens, "yes" if row["ended"] else "–",
    ]  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def plugin_hooks() -> str:
    """Return the plugin's hooks: those of the installer, with a command line that fits every machine."""
    nowhere = Path("/")
    # The plugin asks for this release or a newer one: its README says so.
    plan = InstallPlan(settings=nowhere, state=nowhere, interpreter=nowhere, version=TOLERANT)
    installed = build_handlers(plan)
    hooks = {
        event: [{"hooks": [{**handler, "command": PLUGIN_LINE}]}] for event, handler in installed.items()
    }
    text = "Reports to Stretto's journal; made by docs/generate.py, change the code instead."
    return json.dumps({"description": text, "hooks": hooks}, indent=2) + "\n"


PROCESS_SERIES = (
    "On Linux the service has the series that every Prometheus client has: `process_cpu_seconds_total`,"
    " `process_resident_memory_bytes`, `process_virtual_memory_bytes`, `process_open_fds`,"
    " `process_max_fds` and `process_start_time_seconds`."
)


def metrics_page() -> str:
    """Return the reference of metrics."""
    lines = [
        "# Metrics",
        "",
        MARK,
        "",
        (
            "Every metric on `/metrics`. Windowed gauges carry `window` (`1h`, `24h`, `7d`) and come"
            " from the store, so a restart changes nothing. What cannot be worked out is absent, never 0."
        ),
    ]
    for title, text, group in (
        ("Derived figures", "Gauges, built fresh at each scrape from the last snapshot.", DERIVED),
        ("Live counters and histograms", "What ended since the service started, never history.", LIVE),
        ("Stretto itself", "Its own health.", SELF_METRICS),
        (
            "A team's hub",
            "What it received since its start; a machine's service has none of them.",
            HUB_METRICS,
        ),
    ):
        lines += ["", f"## {title}", "", text, ""]
        lines += ["| name | type | labels | meaning |", "| --- | --- | --- | --- |"]
        lines += [_metric_row(metric) for metric in group]
    lines += ["", "## The process of the service", "", PROCESS_SERIES]
    return "\n".join(lines) + "\n"


def _metric_row(metric: Metric) -> str:
    labels = ", ".join(f"`{label.value}`" for label in metric.labels) or "–"
    text = metric.help
    if metric.ingredients:
        parts = " / ".join(f"`{name}`" for name in dict.fromkeys(metric.ingredients))
        text += f" Ingredients: {parts}."
    return f"| `{metric.name}` | {metric.kind.value} | {labels} | {text} |"


def cli_page() -> str:
    """Return the reference of commands, and the shapes of their JSON from ``docs/json.md``."""
    top = build_parser()
    lines = ["# Commands", "", MARK, "", "```", _help(top), "```"]
    for name, verb in _verbs(top, "stretto"):
        lines += ["", f"## {name}", "", "```", _help(verb), "```"]
    shapes = (DOCS / "json.md").read_text(encoding="utf-8")
    return "\n".join(lines) + "\n\n" + shapes


def operations_schema() -> str:
    """Return the JSON Schema of answers, with the options of each operation."""
    schema = make_envelope_schema([*OPERATIONS.values()])
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def operations_page() -> str:
    """Return the reference of operations, after its introduction in ``docs/operations_introduction.md``."""
    lines = ["# Operations", "", MARK, ""]
    lines += [(DOCS / "operations_introduction.md").read_text(encoding="utf-8").strip()]
    lines += ["", "## Errors", "", "| code | HTTP | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{code}` | {STATUSES.get(code, 503)} | {text} |" for code, text in CODE_MEANINGS.items()]
    for group in OperationGroup:
        lines += ["", f"## {group.value.capitalize()}"]
        for operation in OPERATIONS.values():
            if operation.group is group:
                lines += _operation_section(operation)
    return "\n".join(lines) + "\n"


def _operation_section(operation: Operation) -> list[str]:
    text = operation.help
    lines = [
        "",
        f"### `{operation.name}`",
        "",
        f"{text[0].upper()}{text[1:]}. Least data: {operation.least}.",
    ]
    if operation.streams:
        lines[-1] += f" It streams, at the rhythm of `{operation.rhythm}`."
    lines += ["", "| option | values | without it | meaning |", "| --- | --- | --- | --- |"]
    for option in operation.options:
        default = "–" if option.default is None else f"`{json.dumps(option.default)}`"
        lines.append(
            f"| `{option.name}` | {_describe_values(option.to_schema())} | {default} | {option.help} |"
        )
    return lines


def _describe_values(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if schema["type"] == "array":
        words = schema["items"].get("enum")
        return f"list of {', '.join(f'`{word}`' for word in words)}" if words else "list of names"
    if schema["type"] == "number":
        return f"{schema['minimum']:g} to {schema['maximum']:g}"
    if schema["type"] == "boolean":
        return "`true`, `false`"
    limits = schema["description"].rpartition("(")[2].rstrip(")")
    return {"date": "a date"}.get(schema.get("format", ""), "") or (
        f"a length of time {limits}" if limits.startswith("from ") else "a share such as `>10%`"
    )


def _verbs(parent: argparse.ArgumentParser, prefix: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parent._actions:  # noqa: SLF001  # argparse offers no other way to its subcommands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # likewise
            for name, verb in action.choices.items():
                full = f"{prefix} {name}"
                nested = list(_verbs(verb, full))
                yield from nested or [(full, verb)]


def _help(verb: argparse.ArgumentParser) -> str:
    verb.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=100)
    return re.sub(r"[ \t]+$", "", verb.format_help().strip(), flags=re.MULTILINE)


def main() -> int:
    """Write the files, or with ``--check`` compare them."""
    check = "--check" in sys.argv[1:]
    stale = {
        path: text for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text
    }
    for path, text in stale.items():
        if check:
            print(f"{path} is stale: run make docs")
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
