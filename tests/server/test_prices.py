"""What replies cost, to the micro."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.errors import CaesuraError
from caesura.messages.response import Usage
from caesura.server.prices import (
    Prices,
    cost_micros,
    model_prices,
    parse_prices,
    read_prices,
    storage_cost_micros,
)

ALL_KINDS = Usage(
    input_tokens=1_000,
    output_tokens=700,
    thinking_tokens=200,
    cache_read_input_tokens=10_000,
    cache_creation_input_tokens=3_000,
    cache_creation_1h_input_tokens=1_000,
)
DEAR = Prices(
    tiers={"standard": model_prices(Decimal(3), Decimal(15), thinking=Decimal(7))},
    models={},
    service_tiers={"batch": Decimal("0.5")},
)


def test_each_kind_of_token_has_its_own_price() -> None:
    parts = [1_000 * 3, 10_000 * 0.3, 2_000 * 3.75, 1_000 * 6, 500 * 15, 200 * 7]
    assert cost_micros(ALL_KINDS, DEAR, model="any") == sum(parts) == 28_400


def test_a_batch_costs_half_and_other_tiers_the_whole() -> None:
    assert cost_micros(ALL_KINDS, DEAR, model="any", service_tier="batch") == 14_200
    assert cost_micros(ALL_KINDS, DEAR, model="any", service_tier="priority") == 28_400


def test_a_thought_costs_as_much_as_an_answer_unless_it_is_said() -> None:
    prices = Prices(tiers={"standard": model_prices(Decimal(1), Decimal(5))}, models={})
    assert cost_micros(Usage(input_tokens=0, output_tokens=9, thinking_tokens=4), prices, model="x") == 45


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**7), min_size=4, max_size=4), st.sampled_from(["nano", "other"]))
def test_costs_add_up_to_within_one_rounding_for_each_reply(counts: list[int], model: str) -> None:
    single = [Usage(input_tokens=count) for count in counts]
    together = cost_micros(Usage(input_tokens=sum(counts)), Prices(), model=model)
    apart = sum(cost_micros(usage, Prices(), model=model) for usage in single)
    assert abs(apart - together) <= len(counts) / 2


def test_a_model_is_priced_by_the_first_pattern_that_fits() -> None:
    prices = parse_prices(
        {
            "tiers": {"large": {"input": 5, "output": 25}},
            "models": {"Qwen3-32B": "large", "Qwen*": "small"},
        }
    )
    assert prices.tier_of("Qwen3-32B") == "large"
    assert prices.tier_of("Qwen3-0.6B") == "small"
    assert prices.tier_of("nano") == "small", "what the list does not say is as before"
    assert prices.tier_of("llama") == "standard"
    assert parse_prices({"models": {"nano": "standard"}}).tier_of("nano") == "standard"


def test_storage_is_billed_by_size_and_time() -> None:
    month_ms = 30 * 24 * 3600 * 1000
    assert storage_cost_micros(Prices(), size_bytes=10**9, duration_ms=month_ms) == 100_000
    assert storage_cost_micros(Prices(), size_bytes=10**8, duration_ms=month_ms // 2) == 5_000
    assert storage_cost_micros(Prices(), size_bytes=0, duration_ms=month_ms) == 0


def test_a_file_sets_prices_exactly(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        'currency = "EUR"\nstorage_gb_month = 0.07\n'
        "[tiers.standard]\ninput = 0.1\noutput = 0.3\ncache_read = 0\n"
        '[models]\n"*" = "standard"\n[service_tiers]\nbatch = 0.25\n'
    )
    prices = read_prices(path)
    assert prices.currency == "EUR"
    assert prices.storage_gb_month == Decimal("0.07")
    assert prices.service_tiers == {"batch": Decimal("0.25")}
    standard = prices.tiers["standard"]
    assert (standard.input, standard.output, standard.thinking) == (
        Decimal("0.1"),
        Decimal("0.3"),
        Decimal("0.3"),
    )
    assert (standard.cache_read, standard.cache_write_5m) == (0, Decimal("0.125"))
    assert prices.tier_of("nano") == "standard", "the operator's patterns come first"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"tier": {}}, "tier: not known"),
        ({"tiers": 5}, "tiers: a table is needed"),
        ({"tiers": {"a": {"input": 1}}}, "tiers.a.output: a price is needed"),
        ({"tiers": {"a": {"input": 1, "output": -2}}}, "tiers.a.output: -2 is no price"),
        ({"tiers": {"a": {"input": 1, "output": Decimal("NaN")}}}, "tiers.a.output: NaN is no price"),
        ({"tiers": {"a": {"input": 1, "output": Decimal("1e40")}}}, "is no price"),
        ({"tiers": {"a": {"input": 1, "output": True}}}, "tiers.a.output: True is no price"),
        ({"tiers": {"a": {"input": 1, "output": "2"}}}, "tiers.a.output: 2 is no price"),
        ({"tiers": {"a": {"input": 1, "output": 2, "ouptut": 3}}}, "tiers.a.ouptut: not known"),
        ({"models": {"x": "nowhere"}}, "models.x: there is no tier `nowhere`"),
        ({"currency": ""}, "currency: a text is needed"),
        ({"storage_gb_month": "much"}, "storage_gb_month: much is no price"),
    ],
)
def test_a_wrong_entry_is_named(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_prices(table)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaesuraError, match="cannot read the prices in"):
        read_prices(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("[tiers")
    with pytest.raises(CaesuraError, match=r"broken.toml is not TOML"):
        read_prices(tmp_path / "broken.toml")
    (tmp_path / "wrong.toml").write_text("tariff = 3")
    with pytest.raises(CaesuraError, match=r"wrong.toml: tariff: not known"):
        read_prices(tmp_path / "wrong.toml")


def test_the_page_says_what_the_default_list_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "keys.md").read_text(encoding="utf-8")
    for name, tier in Prices().tiers.items():
        prices = (
            tier.input,
            tier.cache_read,
            tier.cache_write_5m,
            tier.cache_write_1h,
            tier.output,
            tier.thinking,
        )
        assert f"| `{name}` | {' | '.join(f'{price.normalize():f}' for price in prices)} |" in page
    assert Prices().models == {"nano": "small"}
    assert f"Batches cost {Prices().service_tiers['batch']} of that" in page
    assert f"{Prices().storage_gb_month} for 10^9 bytes and 30 days" in page


def test_the_list_on_the_page_can_be_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "keys.md").read_text(encoding="utf-8")
    listed = page.partition("```toml\n")[2].partition("```")[0]
    prices = parse_prices(tomllib.loads(listed, parse_float=Decimal))
    assert prices.tier_of("Qwen3-32B-FP8") == "large"
    assert (prices.tiers["large"].thinking, prices.tiers["large"].cache_read) == (12, Decimal("0.3"))
