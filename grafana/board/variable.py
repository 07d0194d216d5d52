"""Define the variables at the top of dashboards; a board has exactly those that its queries use."""

from __future__ import annotations

import re
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model

from stretto.names import METRICS, PREFIX, WINDOWS, Label

DATASOURCE = "datasource"
DATASOURCE_UID = "prometheus"
"""The uid under which the data source is provisioned."""

JOB_VARIABLE = "job"
INSTANCE_VARIABLE = "instance"
ONE_INSTANCE = (f'job="${JOB_VARIABLE}"', f'instance="${INSTANCE_VARIABLE}"')
"""The conditions of every query: a board shows one service, so that nothing is averaged across several."""

SERVICE = "service"
SERVICE_ADDRESS = "http://127.0.0.1:9464"

ALL = ".*"

RUNNING = METRICS[PREFIX + "build_info"].name
"""The series by which services are found."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A label to filter by, and the metric whose series have all its values."""

    label: Label
    title: str
    asks: str
    values_from: str = ""
    """Name of the metric without prefix; empty if the values are a fixed set."""

    @property
    def match(self) -> str:
        """Return the matcher of the label by the variable."""
        return f"~${self.label}" if self.values_from else f"${self.label}"


VARIABLES: dict[Label, Variable] = {
    variable.label: variable
    for variable in (
        Variable(Label.WINDOW, "Window", "Over which period are the figures computed?"),
        Variable(Label.TASK_TYPE, "Task type", "For which kinds of work?", "window_tasks"),
        Variable(Label.AGENT, "Agent", "For which agents?", "window_agent_tasks"),
        Variable(Label.PATTERN, "Pattern", "For which workflows?", "window_fanouts"),
        Variable(Label.PHASE, "Phase", "For which phases?", "window_phases"),
        Variable(Label.TOOL, "Tool", "For which tools?", "window_tool_calls"),
        Variable(Label.MODEL, "Model", "For which models?", "window_model_calls"),
        Variable(Label.SOURCE, "Source", "Reported by which clients?", "window_sessions"),
    )
}
"""In the order in which boards show them."""

DEFAULT_WINDOW = "24h"


def refer_datasource() -> common.DataSourceRef:
    """Return the reference to the data source that the board's variable names."""
    return common.DataSourceRef(type_val="prometheus", uid=f"${{{DATASOURCE}}}")


def select_used(text: str) -> list[Variable]:
    """Return the variables that a text uses, in the order of the table."""
    named = set(re.findall(r"\$\{?(\w+)", text))
    return [variable for variable in VARIABLES.values() if variable.label in named]


def build_fixed() -> list[Builder[model.VariableModel]]:
    """Return the variables of every board: data source, job, instance and the address of the service."""
    source = (
        build.DatasourceVariable(DATASOURCE)
        .label("Data source")
        .type("prometheus")
        .current(model.VariableOption(text="Prometheus", value=DATASOURCE_UID))
    )
    service = (
        build.ConstantVariable(SERVICE)
        .label("Stretto")
        .value(SERVICE_ADDRESS)
        .description("The address of the service.")
    )
    job = _build_place(JOB_VARIABLE, "Job", "Of which scrape job?", f"label_values({RUNNING}, job)")
    instance = _build_place(
        INSTANCE_VARIABLE,
        "Service",
        "Of which service?",
        f'label_values({RUNNING}{{job="${JOB_VARIABLE}"}}, instance)',
    )
    return [source, job, instance, service]


def _build_place(name: str, title: str, asks: str, query: str) -> build.QueryVariable:
    """Return a variable with a single value; without a choice Grafana takes the first that it finds."""
    return (
        build.QueryVariable(name)
        .label(title)
        .description(asks)
        .datasource(refer_datasource())
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(False)
        .include_all(False)
    )


def build_variable(variable: Variable, default_window: str = DEFAULT_WINDOW) -> Builder[model.VariableModel]:
    """Return the SDK builder of a variable."""
    if not variable.values_from:
        return (
            build.CustomVariable(variable.label)
            .label(variable.title)
            .description(variable.asks)
            .values(",".join(WINDOWS))
            .options(
                [
                    model.VariableOption(selected=window == default_window, text=window, value=window)
                    for window in WINDOWS
                ]
            )
            .current(model.VariableOption(selected=True, text=default_window, value=default_window))
            .allow_custom_value(False)
        )
    name = METRICS[PREFIX + variable.values_from].name
    return (
        build.QueryVariable(variable.label)
        .label(variable.title)
        .description(variable.asks)
        .datasource(refer_datasource())
        .query(f"label_values({name}{{{','.join(ONE_INSTANCE)}}}, {variable.label})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(ALL)
        .current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )
