from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from msgspec.structs import replace

from stretto.clock import SECOND
from stretto.cost_computation import Prices, find_context_window, read_list_version
from stretto.model.call_cost_and_usage_types import Cost, CostOrigin
from stretto.model.configured_token_prices import Rates
from stretto.model.entities import ModelCall, Tokens
from stretto.model.event import Outcome

LIST = Prices({})
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TOKENS = Tokens(input=1_000, output=500, cache_read=8_000, cache_write=1_000)
BY_TOKENS = {"input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok"}


def call(
    model: str | None, tokens: Tokens = TOKENS, *, cost: int | None = None, at: datetime = AT
) -> ModelCall:
    """Return a model call."""
    start = round(at.timestamp()) * SECOND
    return ModelCall("m", model, None, start, None, Outcome.SUCCESS, tokens, cost)


def by_the_package(model: str, tokens: Tokens, at: datetime = AT) -> Decimal:
    """Return the cost computed by the package, in billionths of a dollar."""
    read, written = tokens.cache_read or 0, tokens.cache_write or 0
    usage = Usage(
        input_tokens=(tokens.input or 0) + read + written,
        output_tokens=tokens.output or 0,
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
    return calc_price(usage, model, genai_request_timestamp=at).total_price * 10**9


def listed() -> Iterator[str]:
    """Yield the listed models that are found by their bare names and priced only by tokens."""
    for provider in providers:
        for model in provider.models:
            try:
                found = calc_price(Usage(), model.id, genai_request_timestamp=AT)
            except LookupError:
                continue
            names = {name for name, price in vars(found.model_price).items() if price is not None}
            if {"input_mtok", "output_mtok"} <= names <= BY_TOKENS:
                yield model.id


def test_list_prices_are_those_of_the_package() -> None:
    """Costs agree to the billionth for every model priced by tokens, for short and long prompts."""
    models = sorted({*listed()})
    assert len(models) > 200
    long = Tokens(input=150_000, output=3_000, cache_read=100_000, cache_write=30_000)
    for model in models:
        for tokens in (TOKENS, long, Tokens(input=7, output=3)):
            cost = LIST.compute_cost(call(model, tokens))
            assert cost is not None, model
            assert abs(cost.amount - by_the_package(model, tokens)) <= 1, model
            assert cost.origin is CostOrigin.LIST


def test_a_price_is_that_of_the_day_of_the_call() -> None:
    """A model that became cheaper is charged at the price of the call's day."""
    before, after = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)
    then, now = (LIST.compute_cost(call("o3", at=at)) for at in (before, after))
    assert then is not None
    assert now is not None
    assert then.amount == by_the_package("o3", TOKENS, before)
    assert now.amount == by_the_package("o3", TOKENS, after)
    assert then.amount > now.amount


def test_a_worked_example() -> None:
    """3, 15, 0.30 and 3.75 dollars a million: 3,000 + 7,500 + 2,400 + 3,750 millionths of a dollar."""
    cost = LIST.compute_cost(call("claude-sonnet-4-5-20250929"))
    assert cost == Cost(16_650_000, CostOrigin.LIST, is_lower_bound=True)


@pytest.mark.parametrize("model", ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5[1m]"])
def test_another_spelling_has_the_same_price(model: str) -> None:
    """A name that is not in the list is looked up in its normalised form."""
    assert LIST.compute_cost(call(model)) == LIST.compute_cost(call("claude-sonnet-4-5"))


def test_an_unknown_cost_is_absent() -> None:
    """A model that is not in the list, none at all, a call without time or tokens: absent, not 0."""
    assert LIST.compute_cost(call("homemade")) is None
    assert LIST.compute_cost(call(None)) is None
    assert LIST.compute_cost(call("gpt-5", Tokens())) is None
    assert LIST.compute_cost(ModelCall("m", "gpt-5", None, None, None, Outcome.SUCCESS, TOKENS)) is None


def test_a_reported_cost_is_preferred_to_the_list() -> None:
    """This includes a reported cost of nothing and calls without any other data."""
    assert LIST.compute_cost(call("gpt-5", cost=7)) == Cost(7, CostOrigin.REPORTED)
    assert LIST.compute_cost(call(None, Tokens(), cost=0)) == Cost(0, CostOrigin.REPORTED)


def test_configured_prices_are_preferred_to_all() -> None:
    """They apply to the name as reported, else to its normalised form; 0 is a valid price."""
    own = Prices({"homemade": Rates(0, 0, 0, 0), "gpt-5": Rates(input=1, output=2)})
    assert own.compute_cost(call("homemade")) == Cost(0, CostOrigin.CONFIGURED)
    tokens = Tokens(input=1_000_000, output=1_000_000)
    assert own.compute_cost(call("gpt-5-2025-08-07", tokens, cost=7)) == Cost(
        3_000_000_000, CostOrigin.CONFIGURED
    )
    assert own.compute_cost(call("gpt-4o")) == LIST.compute_cost(call("gpt-4o"))


def test_a_kind_without_a_configured_price_falls_back() -> None:
    """If configured prices lack a kind that the call used, the source or the list gives the cost."""
    own = Prices({"gpt-5": Rates(input=1, output=2)})
    assert own.compute_cost(call("gpt-5", cost=7)) == Cost(7, CostOrigin.REPORTED)
    assert own.compute_cost(call("gpt-5")) == LIST.compute_cost(call("gpt-5"))


def test_parts_of_a_billionth_are_rounded_once() -> None:
    """Prices far below a cent a million keep their parts until they are summed."""
    own = Prices({"tiny": Rates(input=0.0003)})
    assert own.compute_cost(call("tiny", Tokens(input=10))) == Cost(3, CostOrigin.CONFIGURED)


def test_an_implausible_cost_is_dropped() -> None:
    """A mistyped price that makes a call cost a million dollars is ignored, so sums stay within 64 bits."""
    slip = Prices({"m": Rates(input=1e6), "gpt-4o": Rates(input=1e6)})
    assert slip.compute_cost(call("m", Tokens(input=10**6))) is None
    assert slip.compute_cost(call("m", Tokens(input=10**5))) == Cost(10**14, CostOrigin.CONFIGURED)
    assert LIST.compute_cost(call("gpt-4o", Tokens(input=10**12))) is None


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look-up attempts a connection."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert LIST.compute_cost(call("gpt-4o-mini")) is not None
    assert LIST.compute_cost(call("never-heard-of-it")) is None


def test_the_package_is_loaded_when_a_price_is_needed() -> None:
    """Without a need for list prices the package is not imported."""
    program = (
        "import sys, stretto.cost_computation as p; p.read_list_version();"
        "from stretto.model.entities import ModelCall; from stretto.model.event import Outcome;"
        "p.Prices({}).compute_cost(ModelCall('m', 'gpt-5', None, 1, 1, Outcome.SUCCESS, cost=1));"
        "sys.exit('genai_prices' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_the_list_has_a_version() -> None:
    """The version is part of the rules by which the store was concluded."""
    assert read_list_version().count(".") == 2


def test_cache_writes_for_an_hour_cost_more() -> None:
    """On paper: 1,000 writes at 6.25 dollars a million, of them 400 at 10: 600 × 6.25 + 400 × 10."""
    split = call("claude-opus-4-6", Tokens(cache_write=1_000, cache_write_1h=400))
    assert LIST.compute_cost(split) == Cost(7_750_000, CostOrigin.LIST)
    none_for_an_hour = call("claude-opus-4-6", Tokens(cache_write=1_000, cache_write_1h=0))
    assert LIST.compute_cost(none_for_an_hour) == Cost(6_250_000, CostOrigin.LIST)


def test_cache_writes_that_are_not_split_cost_at_least_the_lower_price() -> None:
    """The source does not report how long they are kept: the cost is a lower bound."""
    unsplit = call("claude-opus-4-6", Tokens(cache_write=1_000))
    assert LIST.compute_cost(unsplit) == Cost(6_250_000, CostOrigin.LIST, is_lower_bound=True)
    without_writes = call("claude-opus-4-6", Tokens(input=10))
    assert LIST.compute_cost(without_writes) == Cost(50_000, CostOrigin.LIST)


def test_a_configured_price_may_be_one_for_all_cache_writes() -> None:
    """Without a price for an hour all cache writes cost the same, and no split is needed."""
    prices = Prices({"m": Rates(input=1, cache_write=2)})
    for tokens in (Tokens(cache_write=1_000), Tokens(cache_write=1_000, cache_write_1h=400)):
        assert prices.compute_cost(call("m", tokens)) == Cost(2_000_000, CostOrigin.CONFIGURED)
    by_hour = Prices({"m": Rates(input=1, cache_write=2, cache_write_1h=4)})
    split = call("m", Tokens(cache_write=1_000, cache_write_1h=400))
    assert by_hour.compute_cost(split) == Cost(2_800_000, CostOrigin.CONFIGURED)


def test_an_unfinished_answer_costs_at_least_its_cost() -> None:
    """Only a part of the output is known."""
    cost = LIST.compute_cost(replace(call("claude-opus-4-6", Tokens(output=1)), is_lower_bound=True))
    assert cost is not None
    assert cost.is_lower_bound


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("claude-sonnet-4-5", 200_000),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 200_000),
        ("claude-sonnet-4-5[1m]", 1_000_000),
        ("homemade", None),
        (None, None),
    ],
)
def test_the_context_window_is_the_listed_one_or_not_known(model: str | None, window: int | None) -> None:
    """In every spelling of the model; ``[1m]`` asks for a larger one; an unlisted model has none."""
    assert find_context_window(model) == window
