"""Shell completion: batches, rows, columns, files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    import click

    from batchrun.ports.ledger import Ledger

    Ask = Callable[[Ledger], Any]

#: Most rows that are offered; users of a longer list would type on.
_MOST: Final = 100


def files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer files, completed by the shell."""
    return [CompletionItem(incomplete, type="file")]


def batches(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Offer the ledger's batches."""
    return _offered((batch.name for batch in _asked(context, lambda ledger: ledger.batches())), incomplete)


def rows(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Offer ids of the named batch, or of all batches; after commas too."""
    before, comma, last = incomplete.rpartition(",")
    batch = context.params.get("batch")

    async def ask(ledger: Ledger) -> list[str]:
        from batchrun.ports.stored import By  # noqa: PLC0415 (a completion has to come at once)

        names = [batch] if batch else [one.name for one in await ledger.batches()]
        pages = [await ledger.batch(name).story.find_ids(last, By.BEGINNING, limit=_MOST) for name in names]
        return [id_ for page in pages for id_ in page]

    found = dict.fromkeys(_asked(context, ask))
    return _offered((f"{before}{comma}{one}" for one in found), incomplete)


def columns(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Offer columns of the results, after commas too."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _columns() if name.startswith(last)]


def conditions(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Offer the beginnings of conditions."""
    return [f"{name}=" for name in _columns() if name.startswith(incomplete)]


def _columns() -> Iterable[str]:
    from batchrun.report.columns import KNOWN  # noqa: PLC0415 (for Tab only)

    return KNOWN


def _asked(context: click.Context, ask: Ask) -> Sequence[Any]:
    """Ask the ledger named on the command line so far; return nothing if there is no ledger."""
    import anyio  # noqa: PLC0415 (most commands complete nothing)

    from batchrun.api.reading import open_ledger  # noqa: PLC0415

    async def asked() -> Sequence[Any]:
        async with open_ledger(context.params["ledger"], for_once=True) as ledger:
            found: Sequence[Any] = await ask(ledger)
            return found

    with suppress(Exception):  # a traceback in the middle of a command line helps nobody
        return anyio.run(asked)
    return ()


def _offered(words: Iterable[str], incomplete: str) -> list[str]:
    """Return the words that begin with *incomplete* and that a shell reads as one word."""
    return [word for word in words if word.startswith(incomplete) and word.isprintable() and " " not in word]
