"""Click types: durations, rates, places of output, retry rules, limits of failures."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from batchrun.cli.speak import STDOUT
from batchrun.model.paces import rates
from batchrun.model.paces.rates import Rate
from batchrun.model.texts import durations
from batchrun.model.texts.places import SUCH_AS, settings_place

if TYPE_CHECKING:
    from batchrun.model.entries.retrying import RetryRule
    from batchrun.model.planning.limits import StopAfter

T = TypeVar("T")
_WHOLE: Final = 100
#: Seconds in ten years: far longer durations would exceed the years of datetime.
_LONGEST: Final = 3650 * 86_400
#: Stdout's names as a file.
_STDOUT: Final = frozenset({"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})


class Read(click.ParamType[T]):
    """A type that is read from a text; ``read`` raises ValueError with the problem."""

    @abstractmethod
    def read(self, text: str) -> T:
        """Return the value of *text*."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T:
        """Read a text; return any other value unchanged."""
        try:
            return self.read(value.strip()) if isinstance(value, str) else cast("T", value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Duration(Read[float]):
    """Seconds, written as ``90s``, ``50m``, ``1h30m`` or ``2d``; a bare number is seconds."""

    name = "duration"

    def read(self, text: str) -> float:
        """Return the seconds."""
        try:
            seconds = durations.parsed(text)
        except ValueError:
            raise ValueError(
                f"'{text}' is not a duration; write for instance 90s, 50m, 1h30m or 2d"
            ) from None
        if seconds > _LONGEST:
            raise ValueError(f"'{text}' is too long; write at most 3650d")
        return seconds


class Lines(click.ParamType[str]):
    """Texts; in the environment one per line, since they may contain spaces."""

    name = "text"
    envvar_list_splitter = "\n"


class OutputPath(click.types.StringParamType):
    """The path of an output file, which not every settings file may choose."""


class FileOrStdout(OutputPath):
    """An output file, or ``-`` for stdout, which its names in ``/dev`` mean too: no more is told there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the path."""
        return STDOUT if value in _STDOUT else str(super().convert(value, param, ctx))


class SettingsFolder(OutputPath):
    """A folder in S3 that is written to."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the URI with a slash at its end."""
        try:
            return settings_place(str(value))
        except ValueError as error:
            self.fail(f"'{value}' is not a folder in S3: {error}; write {SUCH_AS}", param, ctx)


class PacedRate(Read[Rate]):
    """Calls per second: a number above zero that is never exceeded, ``auto``, or ``unlimited``."""

    name = "rate"

    def read(self, text: str) -> Rate:
        """Return the rate."""
        try:
            return rates.parsed(text)
        except ValueError:
            raise ValueError(f"'{text}' is not a rate; {rates.CURE}") from None


class FailureLimit(Read["StopAfter"]):
    """How many failed entries are too many: a number, or a share of the batch such as ``20%``."""

    name = "number"

    def read(self, text: str) -> StopAfter:
        """Return the limit."""
        from batchrun.model.planning.limits import StopAfter  # noqa: PLC0415 (for this option only)

        if re.fullmatch(r"[1-9]\d*", text):
            return StopAfter(count=int(text))
        if re.fullmatch(r"\d+(\.\d+)?%", text) and 0 < float(text[:-1]) <= _WHOLE:
            return StopAfter(percent=float(text[:-1]))
        raise ValueError(f"'{text}' is neither a number of entries nor a share; write 5 or 20%")


class Retry(Read["RetryRule"]):
    """A retry rule: a glob over failureReason, and the number of further attempts."""

    name = "retry"
    envvar_list_splitter = "\n"

    def read(self, text: str) -> RetryRule:
        """Return the rule."""
        from batchrun.model.entries.retrying import RetryRule  # noqa: PLC0415 (for this option only)

        reason, _, times = text.rpartition("=")
        if not (reason and re.fullmatch(r"\d{1,3}", times)):
            says = "write a failureReason and a number, such as OUT_OF_MEMORY_ERROR=1"
            raise ValueError(f"'{text}' is not a rule; {says}")
        return RetryRule(reason=reason, times=int(times))
