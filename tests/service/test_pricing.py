"""The price list, and whatever else it may be, over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from batchrun.errors import ServiceUnusableError, UsageError
from batchrun.service.login import Login
from batchrun.service.pricing import quoted, read
from batchrun.service.target import Target
from tests.notify.samples import serving


def product(
    name: Any, price: Any = "0.1080000000", unit: Any = "Hours", currency: str = "USD"
) -> dict[str, Any]:
    dimension = {"unit": unit, "beginRange": "0", "endRange": "Inf", "pricePerUnit": {currency: price}}
    return {
        "product": {"sku": "S", "attributes": {"resourceType": name, "regionCode": "eu-west-1"}},
        "terms": {"OnDemand": {"S.T": {"priceDimensions": {"S.T.D": dimension}}}},
    }


GOOD = [
    product("omics.c.large"),
    product("omics.m.xlarge", "0.2592"),
    product("Run Storage", "0.0001918", "GB-Hours"),
    product("Dynamic Run Storage", "0.0004110", "GB-hr"),
    product("Sequence Store", "0.0057", "GB-Mo"),
]


class PriceList:
    """Answers GetProducts in pages of two."""

    def __init__(self, products: list[Any], status: int = 200, code: str = "AccessDeniedException") -> None:
        self.products = [one if isinstance(one, str) else json.dumps(one) for one in products]
        self.status = status
        self.code = code
        self.asked: list[dict[str, Any]] = []
        self.signed_for = ""

    async def __call__(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        self.asked.append(asked)
        self.signed_for = request.headers["Authorization"]
        if self.status != 200:
            denied = {
                "__type": self.code,
                "message": "not authorized to perform: pricing:GetProducts",
            }
            return web.json_response(denied, status=self.status)
        begin = int(asked.get("NextToken", 0))
        page: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": self.products[begin : begin + 2]}
        if begin + 2 < len(self.products):
            page["NextToken"] = str(begin + 2)
        return web.json_response(page)


@asynccontextmanager
async def listing(monkeypatch: pytest.MonkeyPatch, *products: Any, **how: Any) -> AsyncIterator[PriceList]:
    prices = PriceList(list(products), **how)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    async with serving(prices) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", url)
        yield prices


async def test_all_pages_of_the_runs_region_asked_in_us_east_1(monkeypatch):
    async with listing(monkeypatch, *GOOD) as served:
        found = await quoted(Login(Target()), "eu-west-1")
    assert found.odd == {}
    assert (found.prices.currency, found.prices.region) == ("USD", "eu-west-1")
    assert found.prices.instances == {"omics.c.large": Decimal("0.108"), "omics.m.xlarge": Decimal("0.2592")}
    assert found.prices.storage == {"STATIC": Decimal("0.0001918"), "DYNAMIC": Decimal("0.000411")}
    assert len(served.asked) == 3
    assert served.asked[0]["ServiceCode"] == "AmazonOmics"
    assert served.asked[0]["Filters"] == [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-west-1"}]
    assert "/us-east-1/pricing/" in served.signed_for


async def test_who_may_not_ask_is_told_what_to_do(monkeypatch):
    async with listing(monkeypatch, status=400):
        with pytest.raises(ServiceUnusableError, match="allow pricing:GetProducts, or give --prices FILE"):
            await quoted(Login(Target()), "eu-west-1")


async def test_who_is_logged_out_is_not_told_of_a_permission(monkeypatch):
    async with listing(monkeypatch, status=400, code="ExpiredTokenException"):
        told = (
            r"credentials of the environment .*\(ExpiredTokenException\); log in again, .* or give --prices"
        )
        with pytest.raises(ServiceUnusableError, match=told):
            await quoted(Login(Target()), "eu-west-1")


async def test_a_profile_that_is_not_there(monkeypatch):
    async with listing(monkeypatch):
        with pytest.raises(UsageError, match="nobody"):
            await quoted(Login(Target(profile="nobody")), "eu-west-1")


async def test_nobody_is_asked_for_prices_of_a_simulators_runs(monkeypatch, tmp_path):
    for name in ("AWS_ENDPOINT_URL_PRICING", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="give --prices FILE"):
        await quoted(Login(Target(endpoint_url="http://127.0.0.1:1")), "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_OMICS", "http://localhost:1")
    with pytest.raises(UsageError, match="give --prices FILE"):
        await quoted(Login(Target()), "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL_OMICS")
    (tmp_path / "config").write_text(
        "[profile lab]\nservices = here\n[services here]\nomics =\n  endpoint_url = http://localhost:1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(UsageError, match="give --prices FILE"):
        await quoted(Login(Target(profile="lab")), "us-east-1")


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ([product("omics.x.large", "0")], "'0' USD is not a price"),
        ([product("omics.x.large", None)], "is not a price"),
        ([product("omics.x.large", currency="doubloons")], "is not a price"),
        ([product("omics.x.large", unit="GB-Mo")], "per 'GB-Mo', not per hour"),
        ([product("omics.x.large", unit=None)], "not per hour"),
        ([product("omics.x.large", currency="CNY")], "it is in CNY"),
        ([product("omics.x.large", "1"), product("omics.x.large", "2")], "it has several prices"),
        ([product("omics.x.large") | {"terms": []}], "it has 0 prices"),
        ([product("omics.x.large") | {"terms": {"OnDemand": {"a": 7}}}], "it has 0 prices"),
    ],
)
def test_what_is_not_plainly_one_price_is_left_out_and_told(odd, why):
    found = read([*GOOD, *odd], "us-east-1")
    assert why in found.odd["omics.x.large"]
    assert set(found.prices.instances) == {"omics.c.large", "omics.m.xlarge"}


def test_tiers_are_not_one_price():
    tiered = product("omics.x.large")
    dimensions = tiered["terms"]["OnDemand"]["S.T"]["priceDimensions"]
    dimensions["S.T.E"] = dimensions["S.T.D"]
    assert "it has 2 prices" in read([*GOOD, tiered], "us-east-1").odd["omics.x.large"]
    both = product("omics.x.large")
    both["terms"]["OnDemand"]["S.T"]["priceDimensions"]["S.T.D"]["pricePerUnit"]["CNY"] = "1"
    assert "not priced in one currency" in read([*GOOD, both], "us-east-1").odd["omics.x.large"]


def test_the_same_price_twice_is_one():
    assert read([*GOOD, *GOOD], "us-east-1").odd == {}


def test_a_region_whose_prices_are_all_in_another_currency():
    found = read([product("omics.c.large", currency="CNY")], "cn-north-1").prices
    assert (found.currency, found.instances) == ("CNY", {"omics.c.large": Decimal("0.108")})


@pytest.mark.parametrize("products", [[], [None, 7, [], {}, {"product": 7}, product(7)]])
def test_a_list_without_prices_is_none(products):
    with pytest.raises(ServiceUnusableError, match="no prices of AmazonOmics in us-east-1"):
        read(products, "us-east-1")


async def test_products_that_are_no_json_are_passed_over(monkeypatch):
    async with listing(monkeypatch, "{", "[" * 100_000, *GOOD):
        assert len((await quoted(Login(Target()), "eu-west-1")).prices.instances) == 2
