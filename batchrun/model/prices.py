"""
A list of prices as a file has it: a JSON object that is held against what it must be, and written again.

    {"currency": "USD", "region": "us-east-1",
     "instances": {"omics.m.xlarge": 0.2592}, "storage": {"STATIC": 0.0001918}}

All prices are per hour, storage per GiB. Belongs here: the shape and its problems. Does not: JSON itself and
files (``cli``), the Pricing API (``service``).
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from batchrun.model.costs import DYNAMIC, STATIC, Prices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.model.spec import Json

_KEYS: Final = ("currency", "region", "instances", "storage")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z0-9]+){1,4}")
_INSTANCE: Final = re.compile(r"omics\.[a-z0-9]+(\.[a-z0-9-]+)?")
#: No hour of anything costs more, in any currency; and no price has more characters.
_DEAREST: Final = 1_000_000
_LONGEST: Final = 40
_SHOWN: Final = 40


def checked(value: Json, problems: list[str]) -> Prices | None:
    """
    Make prices of a JSON value, whose numbers may still be the text that they were written as.

    Args:
        value: What the file holds.
        problems: Takes all that is wrong: place, value and cure.

    Returns:
        None where something is wrong.
    """
    if not isinstance(value, dict):
        problems.append(f"a list of prices is an object with {', '.join(_KEYS)}, not {_shown(value)}")
        return None
    problems.extend(
        f"{_shown(key)}: there is no such key; leave it out, or write one of {', '.join(_KEYS)}"
        for key in value
        if key not in _KEYS
    )
    made = Prices(
        currency=_text(value, "currency", _CURRENCY, 'its three letters, such as "USD"', problems),
        region=_text(value, "region", _REGION, 'the region of the runs, such as "us-east-1"', problems),
        instances=_table(value, "instances", problems),
        storage=_table(value, "storage", problems),
    )
    return None if problems else made


def written(prices: Prices) -> dict[str, Json]:
    """Return *prices* in the form that :func:`checked` takes."""
    return {
        "currency": prices.currency,
        "region": prices.region,
        "instances": {name: float(price) for name, price in sorted(prices.instances.items())},
        "storage": {name: float(price) for name, price in sorted(prices.storage.items())},
    }


def is_instance_type(name: str) -> bool:
    """Report whether this is how the service's instance types are called."""
    return _INSTANCE.fullmatch(name) is not None


def price_of(value: object) -> Decimal | None:
    """Read a price: a number above zero, or its text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value)
    if len(text) > _LONGEST:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        return None
    return price if price.is_finite() and 0 < price <= _DEAREST else None


def _text(
    table: Mapping[str, Json], key: str, form: re.Pattern[str], wanted: str, problems: list[str]
) -> str:
    value = table.get(key)
    if isinstance(value, str) and form.fullmatch(value):
        return value
    found = "is missing" if key not in table else f"cannot be {_shown(value)}"
    problems.append(f"{key}: {found}; write {wanted}")
    return ""


def _table(whole: Mapping[str, Json], key: str, problems: list[str]) -> dict[str, Decimal]:
    table = whole.get(key)
    if not isinstance(table, dict):
        found = "is missing" if key not in whole else f"cannot be {_shown(table)}"
        problems.append(f"{key}: {found}; write an object of prices per hour, {{}} where there are none")
        return {}
    made = {}
    for name, value in table.items():
        price = price_of(value)
        if not _is_name(key, name):
            example = "omics.m.xlarge" if key == "instances" else f"{STATIC} or {DYNAMIC}"
            problems.append(f"{key}.{_shown(name)}: nothing is called so; write {example}")
        elif price is None:
            problems.append(
                f"{key}.{name}: {_shown(value)} is no price; write a number above 0, or leave it out"
            )
        else:
            made[name] = price
    return made


def _is_name(key: str, name: str) -> bool:
    return is_instance_type(name) if key == "instances" else name in {STATIC, DYNAMIC}


def _shown(value: object) -> str:
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
