"""Answer leads about the experiments of their team: define one, list them, take one back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from stretto.clock import Clock, to_rfc3339
from stretto.fleet.team_experiment_messages import (
    ExperimentEntry,
    ExperimentList,
    decode_experiment_order,
    decode_withdrawal_order,
)
from stretto.hub.access_tokens import ALL_TEAMS, AccessToken
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.team_experiment import (
    MOST_OF_TEAM,
    MOST_OF_TENANT,
    MOST_RUNNING,
    YEAR,
    ExperimentError,
    ExperimentState,
    TeamExperiment,
    decode_team_experiment,
    define_team_experiment,
    make_entry,
    make_stored_experiment,
)

_Order = TypeVar("_Order")


def define_experiment_of_lead(
    database: HubDatabase, token: AccessToken, body: bytes, clock: Clock
) -> ExperimentEntry:
    """Store the experiment of an order; its team is the token's. Raises ExperimentError, EngineError."""
    order, now = _decode(decode_experiment_order, body), clock()
    experiment = define_team_experiment(order, token.team, now)
    of_tenant = list_experiments_of_lead(database, token.tenant, ALL_TEAMS)
    of_team = [each for each in of_tenant if each.team == token.team]
    if sum(each.state is ExperimentState.RUNNING for each in of_team) >= MOST_RUNNING:
        raise ExperimentError(f"{MOST_RUNNING} experiments of the team run already: withdraw one of them")
    _check_number(of_team, MOST_OF_TEAM, "team", now)
    _check_number(of_tenant, MOST_OF_TENANT, "organisation", now)
    row = make_stored_experiment(experiment, now)
    if not database.write_experiment(token.tenant, row, replaces=None):
        raise ExperimentError(f"there was an experiment {order.name!r} already: take another name")
    return make_entry(experiment)


def _check_number(experiments: Iterable[TeamExperiment], most: int, whose: str, now: int) -> None:
    starts = sorted(each.start for each in experiments if each.start > now - YEAR)
    if len(starts) >= most:
        raise ExperimentError(
            f"the {whose} began {most} experiments within 365 days:"
            f" it may begin the next after {to_rfc3339(starts[-most] + YEAR)}"
        )


def list_experiments_of_lead(database: HubDatabase, tenant: str, team: str) -> list[TeamExperiment]:
    """Return the experiments that leads of a team see; those of all teams see every one."""
    return [
        decode_team_experiment(stored.document)
        for stored in database.list_experiments(tenant)
        if team in {ALL_TEAMS, stored.team}
    ]


def list_entries(database: HubDatabase, token: AccessToken) -> ExperimentList:
    """Return the answer about all experiments that a lead sees. Raises EngineError."""
    return ExperimentList(
        tuple(map(make_entry, list_experiments_of_lead(database, token.tenant, token.team)))
    )


def withdraw_experiment_of_lead(
    database: HubDatabase, token: AccessToken, body: bytes, clock: Clock
) -> ExperimentEntry:
    """Take an experiment of the lead's team back. Raises ExperimentError, EngineError."""
    name = _decode(decode_withdrawal_order, body).name
    for stored in database.list_experiments(token.tenant):
        if (stored.team, stored.name) == (token.team, name):
            withdrawn = decode_team_experiment(stored.document).withdraw()
            row = make_stored_experiment(withdrawn, max(clock(), stored.at + 1))
            if database.write_experiment(token.tenant, row, replaces=stored.at):
                return make_entry(withdrawn)
            raise ExperimentError(f"the experiment {name!r} has just changed: look at it, and try again")
    raise ExperimentError(f"the team has no experiment {name!r}")


def _decode(decode: Callable[[bytes], _Order], body: bytes) -> _Order:
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExperimentError(f"not an order: {error}") from error
