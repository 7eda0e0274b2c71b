"""Price lists: from a file or the Pricing API, and saved to a file."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from batchrun.cli.command import option, typed
from batchrun.cli.showing.output_file import drafted, file_or_stdout
from batchrun.cli.signals import interruptible
from batchrun.cli.speak import complain
from batchrun.cli.values import OutputPath
from batchrun.errors import UsageError
from batchrun.model.costs import PriceLists, checked_lists, written_lists
from batchrun.report.outputs import Kind, ProtectedFiles

if TYPE_CHECKING:
    from batchrun.api.objects import OneLogin

#: Most bytes of a price list; all prices of a region take a hundredth of it.
_LARGEST: Final = 1_000_000
_SHOWN: Final = 20
_PRICES: Final = Kind(what="a list of prices", endings=(".json",))


DYNAMIC_GIB: Final = partial(
    option,
    type=click.FloatRange(min=0, max=1e9),
    metavar="GIB",
    help="The average size of DYNAMIC storage in GiB; without it, that storage is left out of costs.",
)


def dynamic_gib(given: float | None) -> Decimal | None:
    """Return the value of :data:`DYNAMIC_GIB` exactly as it was written, or None. Raises UsageError."""
    if given is not None and math.isnan(given):
        raise UsageError("--dynamic-gib: nan is not a size; give a number of GiB, such as 300")
    return None if given is None else Decimal(str(given))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOptions:
    """The options for prices, and for saving them."""

    prices: str | None = option(
        metavar="FILE", help="Prices per hour, as --save-prices writes them.  [default: ask the Pricing API]"
    )
    save_prices: str | None = typed(
        type=OutputPath(), metavar="FILE", help="Write the prices from the Pricing API to this file."
    )


async def prices_for(
    options: PriceOptions, regions: Sequence[str], login: OneLogin, *, ledger: str, force: bool
) -> PriceLists:
    """Return the prices of *regions*, from --prices or the Pricing API, saved to --save-prices if given."""
    if options.prices is not None:
        if options.save_prices is not None:
            raise UsageError("--prices and --save-prices cannot be combined: the file exists already")
        return read_prices(options.prices, regions)
    saved = None
    if options.save_prices is not None:
        protected = ProtectedFiles(ledger=ledger)
        saved = file_or_stdout(
            options.save_prices, _PRICES, option="--save-prices FILE", protected=protected, force=force
        )
    from batchrun.service.pricing import quoted  # noqa: PLC0415 (the client takes longer than the arithmetic)

    quotes = [await quoted(login.get(), region) for region in regions]
    for name, why in sorted({one for quote in quotes for one in quote.odd.items()}):
        complain(f"no price of {name}: {why}; give one with --prices")
    if len({quote.prices.currency for quote in quotes}) > 1:
        raise UsageError(f"prices of {', '.join(regions)} are in several currencies; give one with --prices")
    found = PriceLists(lists=tuple(quote.prices for quote in quotes))
    if options.save_prices is not None:
        with drafted(saved) as draft:
            draft.write_text(json.dumps(written_lists(found), indent=2) + "\n", encoding="utf-8")
    return found


def read_prices(path: str, regions: Collection[str]) -> PriceLists:
    """Read price lists, at least of *regions*. Raises UsageError if one is wrong or missing."""
    from batchrun.manifest.strict_json import JsonError, decoded  # noqa: PLC0415 (loads the formats)

    text = _text(path)
    problems: list[str] = []
    try:
        prices = checked_lists(decoded(text), problems)
    except JsonError as error:
        line = "" if error.position is None else f":{text.count(chr(10), 0, error.position) + 1}"
        raise UsageError(f"--prices {path}{line}: {error.message}; {error.cure}") from error
    if prices is None:
        more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise UsageError("\n".join([f"--prices {path}: {one}" for one in problems[:_SHOWN]] + more))
    if lacking := prices.lacking(regions):
        several = len(regions) > 1
        raise UsageError(
            f"--prices {path}: region: these are prices of {prices.regions}, and the batch's runs are in "
            f"{', '.join(lacking)}{' too' if several else ''}; give those"
            f"{', in one array with the others' if several else ''}"
        )
    return prices


def _text(path: str) -> str:
    try:
        with interruptible(), Path(path).open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise UsageError(f"--prices {path}: it is larger than any list of prices; give another file")
        return content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        cure = "give another file; 'batchrun costs BATCH --save-prices FILE' makes one"
        raise UsageError(f"--prices {path} cannot be read: {reason or error}; {cure}") from error
