"""Verbs whose options are dataclasses: each field declares the option, or argument, that sets it.

Help, variables, settings files, ``batchrun config`` and the manual all follow from the parameters made of
these fields. Belongs here: making parameters from fields, and one object from what click parsed; what is said
beside an error of options that were not typed, or that a verb does not have, as of the AWS CLI's. Does not:
any option (``options``), its value if it is not typed (``settings``), verbs of other names (``main``).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field, fields
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click
from click.core import ParameterSource

from batchrun.cli.completion import files
from batchrun.cli.exits import Exit
from batchrun.cli.signals import run_async
from batchrun.cli.values import Duration, Lines
from batchrun.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


T = TypeVar("T", bound="DataclassInstance")

#: Click's settings of help, for every group of verbs.
HELP: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
#: The name of a path in help.
_PATHS: Final = frozenset({"LEDGER", "FILE", "PATH"})


class Risk(enum.Enum):
    """Why a settings file that was merely found in the working directory may not set an option."""

    RUNS = "runs a command or sends a notice"
    ADDRESS = "decides where calls go"
    ENVIRONMENT = "puts variables of your environment into requests"


class Option(click.Option):
    """An option that shows its default and reads its own environment variable."""

    def __init__(
        self, names: list[str], *, each_time: str | None = None, risk: Risk | None = None, **settings: Any
    ) -> None:
        """Create it as click does, with click's *settings*.

        *each_time* says why no settings file can set it, *risk* why one that was merely found may not.
        """
        long = next(name for name in names if name.startswith("--")).split("/")[0]
        self.key = long.removeprefix("--")
        settings.setdefault("envvar", variable(self.key))
        settings.setdefault("show_default", True)
        settings.setdefault("show_envvar", True)
        if settings.get("metavar") in _PATHS:
            settings.setdefault("shell_complete", files)
        super().__init__(names, **settings)
        self.each_time = each_time
        self.risk = risk

    @property
    def is_general(self) -> bool:
        """Whether it means the same for every verb: it does unless it has its own variable."""
        return self.envvar == variable(self.key)


def variable(key: str) -> str:
    """Return an option's usual environment variable, for options without one of their own."""
    return "BATCHRUN_" + key.upper().replace("-", "_")


def option(*names: str, **settings: Any) -> Any:
    """Return a field set by an :class:`Option`; a long name is only needed where it is not the field's."""

    def parameter(name: str) -> Option:
        is_long = any(one.startswith("--") for one in names)
        own = () if is_long else (f"--{name.replace('_', '-')}",)
        return Option([name, *names, *own], **settings)

    return field(metadata={"parameter": parameter})


#: A field that is true if the option is given.
flag: Final = partial(option, is_flag=True, show_default=False)
#: A field with all texts of a repeatable option.
texts: Final = partial(option, type=Lines(), multiple=True)
#: An option with a number of seconds.
duration: Final = partial(option, type=Duration())
_TYPED: Final = "give it on the command line"
#: Options that are meant for a single call: no settings file can set them.
typed: Final = partial(option, each_time=_TYPED)
typed_flag: Final = partial(flag, each_time=_TYPED)
#: Those that choose rows.
row_option: Final = partial(option, each_time=f"it chooses rows; {_TYPED}")
row_texts: Final = partial(texts, each_time=f"it chooses rows; {_TYPED}")


def argument(**settings: Any) -> Any:
    """Return a field set by an argument; *settings* are click's."""
    return field(metadata={"parameter": lambda name: click.Argument([name], **settings)})


def group(kind: type[DataclassInstance]) -> Any:
    """Return a field of options that several verbs share: a dataclass of such fields."""
    return field(metadata={"group": kind})


def parameters(kind: type[DataclassInstance]) -> Iterator[click.Parameter]:
    """Yield the parameters of *kind*: own fields before inherited ones, and those of its groups."""
    for one in sorted(fields(kind), key=lambda one: one.name not in kind.__annotations__):
        if "group" in one.metadata:
            yield from parameters(one.metadata["group"])
        else:
            yield one.metadata["parameter"](one.name)


def made(kind: type[T], values: Mapping[str, Any]) -> T:
    """Return a *kind* with what click parsed, by field names."""
    return kind(
        **{
            one.name: made(one.metadata["group"], values) if "group" in one.metadata else values[one.name]
            for one in fields(kind)
        }
    )


class _Verb(click.Command):
    """A verb that knows what is meant by some options that it does not have."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            self._understand(ctx, given)
            if not isinstance(error, click.NoSuchOption):
                raise
            if (cure := _meant(self, error.option_name)) is None:
                raise
            raise click.UsageError(f"there is no option {error.option_name}; {cure}", ctx) from error

    def _understand(self, ctx: click.Context, args: list[str]) -> None:
        """Let the options that are right take effect, such as the format in which the error is to be told."""
        lenient = click.Context(
            self,
            parent=ctx.parent,
            info_name=ctx.info_name,
            default_map=ctx.default_map,
            resilient_parsing=True,
            ignore_unknown_options=True,
            allow_extra_args=True,
        )
        with suppress(click.UsageError):
            super().parse_args(lenient, args)


def verb(
    kind: type[T], *, name: str | None = None, **settings: Any
) -> Callable[[Callable[[T], Awaitable[Exit | None] | Exit | None]], click.Command]:
    """Make a command of a function that takes a *kind* and returns the exit code, None for 0."""

    def decorate(carry_out: Callable[[T], Awaitable[Exit | None] | Exit | None]) -> click.Command:
        def call(**values: Any) -> None:
            options = made(kind, values)
            try:
                if iscoroutinefunction(carry_out):
                    code = run_async(carry_out, options)
                else:
                    code = cast("Exit | None", carry_out(options))
            except InputError as error:
                for line in untyped(click.get_current_context(), str(error)):
                    error.add_note(line)
                raise
            click.get_current_context().exit(code or 0)

        return _Verb(
            name or carry_out.__name__,
            callback=call,
            params=list(parameters(kind)),
            help=carry_out.__doc__,
            **settings,
        )

    return decorate


_SET: Final = "--set"
#: What ``run`` has in place of an option.
_OF_RUN: Final = {
    "--dry-run": "'batchrun plan' shows what run would do",
    "--resume": "the same command without it continues",
    "--continue": "the same command without it continues",
    "--yes": "run does not ask",
    "--limit": "a trial of a few rows is a manifest of these alone, with the same --batch",
}


def _meant(command: click.Command, name: str) -> str | None:
    """Return what to give in place of an option that a verb does not have; None if nothing is known."""
    if command.name == "run" and name in _OF_RUN:
        return _OF_RUN[name]
    if name == "--batch" and any(one.name == "batch" for one in command.params):
        return "give the name of the batch without it"
    if not any(_SET in one.opts for one in command.params):
        return None
    first, *others = name.removeprefix("--").split("-")
    meant = first + "".join(map(str.capitalize, others))
    return f"for all rows, give {_SET} {meant}=VALUE" if meant in _start_run_fields() else None


def _start_run_fields() -> frozenset[str]:
    """Return the fields of StartRun that have one value."""
    from batchrun.service_model import start_run_shape  # noqa: PLC0415 (slow, and needed for errors alone)

    members = start_run_shape().members.items()
    plain = {name for name, shape in members if shape.type_name in {"string", "integer"}}
    return frozenset(plain - {"requestId"})


def untyped(context: click.Context, error: str) -> Iterator[str]:
    """Yield a line for each option that was not typed, and whose name or value is in the text *error*."""
    path = context.command_path.partition(" ")[2]
    for one in context.command.params:
        match context.get_parameter_source(one.name or ""):
            case ParameterSource.ENVIRONMENT:
                place = f"the variable {one.envvar}"
            case ParameterSource.DEFAULT_MAP:
                place = "the settings file"
            case _:
                continue
        name = next(name for name in one.opts if name.startswith("--"))
        value = context.params[str(one.name)]
        values = value if isinstance(value, tuple) else (value,)
        if any(_is_in(error, text) for text in (name, *values) if isinstance(text, str)):
            yield f"{name} was not typed: {place} sets it; see 'batchrun config {path}'"


def _is_in(error: str, text: str) -> bool:
    """Report whether *text* stands in *error* as a word of its own."""
    return bool(text) and re.search(rf"(?<![\w-]){re.escape(text)}(?![\w-])", error) is not None
