"""Prices per hour by the Pricing API: GetProducts of AmazonOmics in one region, all pages.

Only us-east-1 and two other regions answer, for all regions (AWS pricing, price list query API). The form of
a product is undocumented: one without a single price per hour is left out and reported. Does not belong here:
files of prices (``cli``).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final

from batchrun.errors import CredentialsError, InputError, ServiceUnusableError, UsageError
from batchrun.model.costs import DYNAMIC, STATIC, Prices, is_instance_type, price_of
from batchrun.model.texts.foreign import is_loopback
from batchrun.service.calling.one_try import Waited
from batchrun.service.classify import classify
from batchrun.service.login import Login
from batchrun.service.session import named_endpoint, prices_client
from batchrun.service.wire import items, next_token

_PAGES: Final = 100
#: What the price list calls run storage (awslabs' run analyzer asks for the same).
_STORAGE: Final = {"Run Storage": STATIC, "Dynamic Run Storage": DYNAMIC}
_HOURLY: Final = re.compile(r"h(ou)?rs?$", re.IGNORECASE)
_ELSE: Final = "give --prices FILE instead: --save-prices makes one where it is allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """The price list of a region."""

    prices: Prices
    odd: Mapping[str, str]  #: products without a plain price, and why


async def quoted(login: Login, region: str) -> Quoted:
    """Return all prices of *region*, asked with the *login* that the runs are started with.

    Raises:
        UsageError: The runs are a local service's, which is not billed, or the profile does not exist.
        ServiceUnusableError: The API may not be asked, or does not answer.
    """
    _check_billed(login)
    try:
        async with prices_client(login) as client:
            products = await _products(client, region, Waited(client, login))
    except (InputError, ServiceUnusableError):
        raise
    except Exception as raw:
        raise _unusable(raw, login) from raw
    return read(products, region)


def read(products: Iterable[object], region: str) -> Quoted:
    """Read the prices in what GetProducts returned. Raises ServiceUnusableError if there is none."""
    found: defaultdict[str, set[tuple[str, Decimal]]] = defaultdict(set)
    odd: dict[str, str] = {}
    for product in products:
        if (name := _name(product)) is not None:
            price = _price(product)
            if isinstance(price, str):
                odd[name] = price
            else:
                found[name].add(price)
    odd |= {name: "it has several prices" for name, prices in found.items() if len(prices) > 1}
    plain = {name: next(iter(prices)) for name, prices in found.items() if name not in odd}
    currencies = sorted({currency for currency, _ in plain.values()}, key=lambda name: (name != "USD", name))
    if not currencies:
        raise ServiceUnusableError(f"the Pricing API has no prices of AmazonOmics in {region}; {_ELSE}")
    currency = currencies[0]
    odd |= {name: f"it is in {known}" for name, (known, _) in plain.items() if known != currency}
    priced = {name: price for name, (known, price) in plain.items() if known == currency}
    return Quoted(
        prices=Prices(
            currency=currency,
            region=region,
            instances={name: price for name, price in priced.items() if name not in _STORAGE},
            storage={_STORAGE[name]: price for name, price in priced.items() if name in _STORAGE},
        ),
        odd=odd,
    )


async def _products(client: Any, region: str, waited: Waited) -> list[object]:
    asked: dict[str, Any] = {
        "ServiceCode": "AmazonOmics",
        "Filters": [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}],
        "FormatVersion": "aws_v1",
        "MaxResults": 100,
    }
    found: list[object] = []
    for _ in range(_PAGES):
        page = await waited.answer("GetProducts", partial(client.get_products, **asked))
        found += items(page, "GetProducts", "PriceList")
        token = next_token(page, "GetProducts", "NextToken")
        if token is None:
            break
        asked["NextToken"] = token
    return [_decoded(product) for product in found]


def _decoded(product: object) -> object:
    """Read a product, which comes as JSON text."""
    try:
        return json.loads(product) if isinstance(product, str) else product
    except (ValueError, RecursionError):
        return None


def _name(product: object) -> str | None:
    """Return a product's instance type or kind of run storage; None for other products."""
    name = _within(product, "product", "attributes", "resourceType")
    is_ours = isinstance(name, str) and (name in _STORAGE or is_instance_type(name))
    return str(name) if is_ours else None


def _price(product: object) -> tuple[str, Decimal] | str:
    """Return a product's currency and price per hour, or why it has none."""
    terms = _within(product, "terms", "OnDemand")
    dimensions = [
        dimension
        for term in (terms.values() if isinstance(terms, dict) else ())
        for dimension in _values(_within(term, "priceDimensions"))
    ]
    if len(dimensions) != 1:
        return f"it has {len(dimensions)} prices, perhaps by amount, where one was expected"
    unit, per_unit = _within(dimensions[0], "unit"), _within(dimensions[0], "pricePerUnit")
    if not isinstance(unit, str) or not _HOURLY.search(unit):
        return f"its price is per {str(unit)[:40]!r}, not per hour"
    if not isinstance(per_unit, dict) or len(per_unit) != 1:
        return "it is not priced in one currency"
    ((currency, text),) = per_unit.items()
    price = price_of(text)
    if price is None or not re.fullmatch("[A-Z]{3}", str(currency)):
        return f"{str(text)[:40]!r} {str(currency)[:8]} is not a price"
    return str(currency), price


def _values(table: object) -> list[object]:
    return list(table.values()) if isinstance(table, dict) else []


def _within(value: object, *names: str) -> object:
    """Return the value under nested *names*, or None."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _check_billed(login: Login) -> None:
    """Raise UsageError for runs of a simulator, unless there is a local Pricing API too."""
    endpoint = login.target.endpoint_url or named_endpoint(login, "omics") or ""
    if is_loopback(endpoint) and not named_endpoint(login, "pricing"):
        cure = "give --prices FILE, such as 'batchrun help costs' shows"
        raise UsageError(f"the runs are a local service's, which has no prices; {cure}")


def _unusable(raw: Exception, login: Login) -> ServiceUnusableError:
    error = classify(raw, "GetProducts")
    if isinstance(error, CredentialsError):
        why = login.rejected(error)
    else:
        why = f"{error}; allow pricing:GetProducts"
    return ServiceUnusableError(f"there are no prices: {why}, or {_ELSE}; nothing is lost")
