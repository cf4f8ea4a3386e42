"""What a reply costs: a price list, and the arithmetic.

A price is in units of currency for a million tokens, which is the same number in millionths of a unit
("micros") for one token. Prices are decimal and sums are exact; a reply's cost is rounded once, to a micro.

Enters: a TOML file, or nothing for the list below. Leaves: `Prices`, and costs in micros. Read next:
`ledger.py`, which notes them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from caesura.messages.errors import CaesuraError
from caesura.messages.response import Usage

ServiceTier = Literal["standard", "priority", "batch"]

# What a tier charges unless it says so itself, in terms of its input price: the API's own ratios.
_CACHE_READ, _CACHE_WRITE_5M, _CACHE_WRITE_1H = Decimal("0.1"), Decimal("1.25"), Decimal(2)
# Beyond it a reply's cost might not fit into the ledger's 64 bits.
_MAX_PRICE = Decimal(10**6)
_GB = 10**9
_MONTH_MS = 30 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrices:
    """A tier of models: units of currency for a million tokens of each kind.

    input: prompt tokens that were computed and not kept at the caller's wish.
    output: tokens written, other than thoughts.
    thinking: tokens thought.
    cache_read: prompt tokens that were at hand.
    cache_write_5m, cache_write_1h: prompt tokens computed and kept, by how long.
    """

    input: Decimal
    output: Decimal
    thinking: Decimal
    cache_read: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal


def model_prices(input: Decimal, output: Decimal, **others: Decimal) -> ModelPrices:
    """A tier from its two main prices; a thought costs as much as an answer unless it says otherwise."""
    derived = {
        "thinking": output,
        "cache_read": input * _CACHE_READ,
        "cache_write_5m": input * _CACHE_WRITE_5M,
        "cache_write_1h": input * _CACHE_WRITE_1H,
    }
    return ModelPrices(input=input, output=output, **{**derived, **others})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """A price list.

    currency: of every number in it.
    tiers: by name; `standard` is there always, for models that no pattern names.
    models: patterns of model names (`*` and `?`) to tiers, in order; the first that fits counts.
    service_tiers: what a service tier multiplies the cost by; 1 for those that are not named.
    storage_gb_month: 10^9 bytes of adapter, kept for 30 days.
    """

    currency: str = "USD"
    tiers: Mapping[str, ModelPrices] = field(
        default_factory=lambda: {
            "small": model_prices(Decimal("0.05"), Decimal("0.25")),
            "standard": model_prices(Decimal(1), Decimal(5)),
        }
    )
    models: Mapping[str, str] = field(default_factory=lambda: {"nano": "small"})
    service_tiers: Mapping[str, Decimal] = field(default_factory=lambda: {"batch": Decimal("0.5")})
    storage_gb_month: Decimal = Decimal("0.1")

    def tier_of(self, model: str) -> str:
        """The tier of a model, by its name."""
        fitting = (tier for pattern, tier in self.models.items() if fnmatchcase(model, pattern))
        return next(fitting, "standard")


def cost_micros(usage: Usage, prices: Prices, *, model: str, service_tier: str = "standard") -> int:
    """What a reply costs, in millionths of a unit of currency."""
    tier = prices.tiers[prices.tier_of(model)]
    lasting = usage.cache_creation_1h_input_tokens
    cost = (
        usage.input_tokens * tier.input
        + usage.cache_read_input_tokens * tier.cache_read
        + (usage.cache_creation_input_tokens - lasting) * tier.cache_write_5m
        + lasting * tier.cache_write_1h
        + (usage.output_tokens - usage.thinking_tokens) * tier.output
        + usage.thinking_tokens * tier.thinking
    )
    return _rounded(cost * prices.service_tiers.get(service_tier, Decimal(1)))


def storage_cost_micros(prices: Prices, *, size_bytes: int, duration_ms: int) -> int:
    """What it costs to keep so many bytes for so long, in millionths of a unit of currency."""
    gb_months = Decimal(size_bytes) * Decimal(duration_ms) / (_GB * _MONTH_MS)
    return _rounded(gb_months * prices.storage_gb_month * 10**6)


def _rounded(cost: Decimal) -> int:
    return int(cost.to_integral_value(ROUND_HALF_UP))


def read_prices(path: Path) -> Prices:
    """The price list in a TOML file. Raises CaesuraError naming the entry that is wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise CaesuraError(f"cannot read the prices in {path}: {error.strerror}") from error
    except ValueError as error:
        raise CaesuraError(f"{path} is not TOML: {error}") from error
    try:
        return parse_prices(table)
    except ValueError as error:
        raise CaesuraError(f"{path}: {error}") from error


def parse_prices(table: Mapping[str, Any]) -> Prices:
    """A price list from a table; what it does not say is as in the default list. Raises ValueError."""
    default = Prices()
    known = {"currency", "tiers", "models", "service_tiers", "storage_gb_month"}
    if unknown := set(table) - known:
        raise ValueError(f"{min(unknown)}: not known; there are {', '.join(sorted(known))}")
    tiers = {**default.tiers, **_entries(table, "tiers", _tier)}
    models = _entries(table, "models", _text)
    models |= {pattern: tier for pattern, tier in default.models.items() if pattern not in models}
    for pattern, tier in models.items():
        if tier not in tiers:
            raise ValueError(f"models.{pattern}: there is no tier `{tier}`")
    return Prices(
        currency=_text("currency", table.get("currency", default.currency)),
        tiers=tiers,
        models=models,
        service_tiers={**default.service_tiers, **_entries(table, "service_tiers", _price)},
        storage_gb_month=_price("storage_gb_month", table.get("storage_gb_month", default.storage_gb_month)),
    )


def _entries(table: Mapping[str, Any], name: str, parse: Callable[[str, Any], Any]) -> dict[str, Any]:
    entries = table.get(name, {})
    if not isinstance(entries, dict):
        raise ValueError(f"{name}: a table is needed")
    return {key: parse(f"{name}.{key}", value) for key, value in entries.items()}


def _tier(path: str, value: Any) -> ModelPrices:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: a table is needed")
    prices = {key: _price(f"{path}.{key}", price) for key, price in value.items()}
    unknown = set(prices) - set(ModelPrices.__slots__)
    if unknown:
        raise ValueError(f"{path}.{min(unknown)}: not known; there are {', '.join(ModelPrices.__slots__)}")
    if missing := {"input", "output"} - set(prices):
        raise ValueError(f"{path}.{min(missing)}: a price is needed")
    return model_prices(**prices)


def _price(path: str, value: Any) -> Decimal:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if not is_number or not Decimal(value).is_finite() or not 0 <= value <= _MAX_PRICE:
        raise ValueError(f"{path}: {value} is no price; a number from 0 to {_MAX_PRICE:,} is needed")
    return Decimal(value)


def _text(path: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{path}: a text is needed")
    return value
