"""When the machine was used up: processors by slots, memory by tasks, worked out by hand."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.figures.resource_figures import NOT_SAMPLED
from stretto.figures.sums_by_dimension import Sums
from stretto.figures.when_machine_was_used_up import (
    MEMORY_NOT_REPORTED,
    NOT_REPORTED,
    LimitStretch,
    MachineLimit,
    find_machine_limits,
)
from stretto.model.event import Channel, Event, Kind
from stretto.model.interval import Interval
from stretto.names import measures
from stretto.store.database import open_reader
from stretto.summaries.agents_at_work_in_window import MOST_SLOTS, read_machine_over_time
from tests.test_switched_off import switch_off
from tests.web_page import read
from tests.web_served import NOON, Store, Work, served

FIVE = 5 * MINUTE
ALL = Interval(0, HOUR)


def make_sums(busy: float, own: float) -> Sums:
    """Return the sums of a slot of 100 processor seconds."""
    shares = {measures.MACHINE_BUSY: busy, measures.AGENTS_CPU: own, measures.MACHINE_AVAILABLE: 1.0}
    amounts = {name: round(100 * share * SECOND) for name, share in shares.items()} | {measures.SAMPLED: FIVE}
    return {name: {(): amount} for name, amount in amounts.items()}


def test_slots_in_a_row_at_one_limit_are_a_stretch() -> None:
    """Two slots with other programs, then one by the agents, a pause, and one by the agents."""
    slots = {0: (0.95, 0.2), 1: (0.9, 0.4), 2: (0.99, 0.93), 3: (0.89, 0.89), 4: (1.0, 0.95)}
    found = find_machine_limits({n: make_sums(*each) for n, each in slots.items()}, FIVE, [], ALL)

    own, other = MachineLimit.OWN_PROCESSORS, MachineLimit.PROCESSORS
    assert [(each.limit, each.interval) for each in found.stretches] == [
        (other, (0, 2 * FIVE)),
        (own, (2 * FIVE, 3 * FIVE)),
        (own, (4 * FIVE, 5 * FIVE)),
    ]
    assert found.stretches[0].busy == pytest.approx(0.925)
    assert found.stretches[0].own == pytest.approx(0.3)
    assert (found.sampled, found.no_processors, found.no_memory) == (5 * FIVE, None, MEMORY_NOT_REPORTED)


def test_slots_that_do_not_touch_are_two_stretches() -> None:
    """A slot without samples lies between."""
    sums = make_sums(0.95, 0.2)
    assert len(find_machine_limits({0: sums, 2: sums}, FIVE, [], ALL).stretches) == 2


def test_memory_is_short_while_its_tasks_ran() -> None:
    """Overlapping tasks are one stretch, cut at the bounds; tasks with enough memory are none."""
    tasks = [
        (Interval(-9, 20), True),
        (Interval(10, 40), True),
        (Interval(50, 60), False),
        (Interval(HOUR - 5, HOUR + 5), True),
    ]
    found = find_machine_limits({}, FIVE, tasks, ALL)

    assert found.stretches == (
        LimitStretch(MachineLimit.MEMORY, Interval(0, 40)),
        LimitStretch(MachineLimit.MEMORY, Interval(HOUR - 5, HOUR)),
    )
    assert (found.no_processors, found.no_memory) == (NOT_SAMPLED, None)


def test_what_is_not_known_has_its_reason() -> None:
    """Nothing sampled, and samples on a system that does not count its processors."""
    nothing = find_machine_limits({}, FIVE, [], ALL)
    unreported = find_machine_limits({0: {measures.SAMPLED: {(): FIVE}}}, FIVE, [], ALL)

    assert (nothing.no_processors, nothing.no_memory) == (NOT_SAMPLED, NOT_SAMPLED)
    assert (unreported.no_processors, unreported.no_memory) == (NOT_REPORTED, MEMORY_NOT_REPORTED)
    assert nothing.stretches == unreported.stretches == ()


def make_sample(session: str, start: int, *, busy: float, own: float, free: float) -> Event:
    """Return a sample of a minute on a machine with two processors and 16 GB."""
    shares = {
        "cpu": own, "machine_busy": busy, "machine_busy_share": busy,
        "machine_available": 1.0, "machine_available_share": 1.0,
    }  # fmt: skip
    return Event(
        kind=Kind.SAMPLE, session=session, time=start, duration=MINUTE, source="stretto", channel=Channel.API,
        attributes={
            **{name: round(2 * MINUTE * share) for name, share in shares.items()},
            "memory": 1 << 30, "memory_peak": 1 << 30,
            "machine_memory": 16 << 30, "machine_memory_available": round((16 << 30) * free),
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store with a session of ten minutes: full for the first five, then short of memory."""
    store = Store(tmp_path_factory.mktemp("sampled"))
    start = NOON - HOUR
    store.scene("full", start, (Work(0, 290), Work(301, 590, "write tests", "tester")))
    store.events(
        [
            make_sample(
                "full", start + number * MINUTE - SECOND,
                busy=0.97 if number < 5 else 0.2, own=0.94 if number < 5 else 0.1,
                free=0.5 if number < 5 else 0.05,
            )
            for number in range(10)
        ]
    )  # fmt: skip
    store.refresh()
    return store


@pytest.mark.parametrize(("days", "slot"), [(1, FIVE), (30, HOUR), (365, DAY)])
def test_a_window_is_judged_by_slots_of_its_length(sampled: Store, days: int, slot: int) -> None:
    """Slots are of five minutes, an hour or a day; memory is judged by the second task alone."""
    with closing(open_reader(sampled.config.database)) as connection:
        machine = read_machine_over_time(connection, Interval(NOON - days * DAY, NOON))

    assert machine.slot_length == slot
    assert days * DAY <= MOST_SLOTS * slot
    limits = {each.limit: each.interval for each in machine.stretches}
    assert limits[MachineLimit.MEMORY] == (NOON - HOUR + 301 * SECOND, NOON - HOUR + 590 * SECOND)
    assert (MachineLimit.OWN_PROCESSORS in limits) is (slot == FIVE)
    if slot == FIVE:
        assert limits[MachineLimit.OWN_PROCESSORS] == (NOON - HOUR, NOON - HOUR + FIVE)


def test_a_store_without_samples_is_not_judged(tmp_path: Path) -> None:
    """Imported sessions have none."""
    store = Store(tmp_path)
    store.scene("imported", NOON - HOUR, (Work(0, 290),))
    store.refresh()
    connection: sqlite3.Connection
    with closing(open_reader(store.config.database)) as connection:
        machine = read_machine_over_time(connection, Interval(NOON - DAY, NOON))

    assert (machine.slots, machine.stretches, machine.no_memory) == ((), (), NOT_SAMPLED)


def test_the_activity_draws_the_machine_below_the_agents(sampled: Store) -> None:
    """Three lanes more, the stretches with their shares, and the sessions of each stretch."""
    with served(sampled.make_backend()) as client:
        page = read(client, "/activity")
        whole_days = read(client, "/activity?window=30d")
    text = page.text

    assert "Processors by agents Memory short" in text
    assert "2 stretches of time in the last 24 h: processors were sampled in 10 min" in text
    assert "20 Nov 11:00 20 Nov 11:05 5 min processors, by the agents themselves 97 % 94 %" in text
    assert "4 min 49 s memory, while a task ran — judged by tasks" in text
    assert "/sessions?from=2026-11-20T11%3A00%3A00Z&to=2026-11-20T11%3A05%3A00Z" in page.addresses
    full = [about for about in page.explanations if about.endswith("used up")]
    assert full == [
        "Processors busy, 20 Nov 11:00 to 20 Nov 11:15: up to 97\N{NO-BREAK SPACE}%: used up",
        "Processors by agents, 20 Nov 11:00 to 20 Nov 11:15: up to 94\N{NO-BREAK SPACE}%: used up",
        "Memory short while a task ran, 20 Nov 11:05 to 20 Nov 11:09: used up",
    ]
    assert "judged by slots of 1 h" in whole_days.text


def test_the_activity_says_why_the_machine_is_not_judged(tmp_path: Path) -> None:
    """Nothing was sampled, or sampling is switched off; nobody reads that there was enough."""
    store = Store(tmp_path)
    store.scene("imported", NOON - HOUR, (Work(0, 290),))
    store.refresh()
    with served(store.make_backend()) as client:
        text = read(client, "/activity").text
    with served(store.make_backend(features=switch_off("resources"))) as client:
        switched_off = read(client, "/activity").text

    assert "Not known in the last 24 h: no agent's processes were sampled." in text
    assert "imported ones never are" in text
    assert "Never" not in text
    assert "the sampling of processes is switched off (stretto features set resources=on)" in switched_off
