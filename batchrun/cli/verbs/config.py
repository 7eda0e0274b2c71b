"""``batchrun config``: each option's value in force, and where it came from.

Belongs here: asking click for it; AWS profile, region and endpoint as botocore would find them without
options; showing it. Does not: reading the file (``settings.file``), the commented example
(``settings.names``), credentials, which are never read.
"""

from __future__ import annotations

import copy
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import click

from batchrun.cli.command import Option, Risk, argument, typed_flag, verb
from batchrun.cli.options import JSON
from batchrun.cli.settings.file import SettingsFile
from batchrun.cli.settings.names import (
    Names,
    Setting,
    default_map,
    file_in_force,
    options_of,
    raise_any,
    refusals,
    settings_for,
    verbs_of,
)
from batchrun.cli.speak import emit, hint, is_terminal, printable, say, write
from batchrun.errors import UsageError
from batchrun.ledger import LedgerPlace
from batchrun.model.texts.foreign import masked

_SOURCE: Final = click.core.ParameterSource
#: Options that AWS's own configuration supplies if they are left out.
_AWS: Final = ("profile", "region", "endpoint-url")
#: Most columns of a cell before those after it are shifted.
_WIDEST: Final = 40
_HOOK_BEGIN: Final = re.compile(r"\w+://[^/\s]*|[^\s=]*")
DEFAULT: Final = "default"
_FILES: Final = (
    ("AWS_CONFIG_FILE", "~/.aws/config"),
    ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """One option's value in force, the same for all *verbs*."""

    option: str
    value: Any  #: as it would be typed, or a JSON value; None: unset
    source: str  #: flag, environment, file, refused (the file may not set it), default, or aws
    place: str | None  #: the variable, the file and line, or AWS's place
    verbs: tuple[str, ...]

    def cells(self) -> tuple[str, ...]:
        """Return the row for people: option, value, where it is from, verbs."""
        origin = self.source if self.place is None else f"{self.source} {self.place}"
        return tuple(
            printable(text).replace("\n", "\\n")
            for text in (self.option, _text(self.value), origin, ", ".join(self.verbs))
        )


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(value)
        case _:
            return str(value)


_EPILOG: Final = (
    "The file is batchrun.toml, or [tool.batchrun] of pyproject.toml, in the working directory. "
    "'batchrun --config FILE VERB' names another, 'batchrun --no-config VERB' none."
    "\n\nRead on: 'batchrun help config'."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun config``."""

    verb: tuple[str, ...] = argument(nargs=-1, type=click.UNPROCESSED, metavar="[VERB [OPTIONS]...]")
    as_json: bool = JSON()
    init: bool = typed_flag(
        envvar=None, help="Write a commented batchrun.toml on stdout, with every option that can be set."
    )


@verb(Options, context_settings={"ignore_unknown_options": True}, epilog=_EPILOG)
def config(options: Options) -> None:
    """Show each option's value in force and where it came from: flag, environment, file or default.

    For all verbs, or as VERB would run with these OPTIONS; nothing is run. Where no option says AWS profile,
    region and endpoint, they are shown as AWS's own variables and files have them; credentials never are.
    Exits with 2 where the file sets what it may not.
    """
    root = click.get_current_context().find_root()
    if options.init:
        from batchrun.cli.settings.names import example  # noqa: PLC0415 (rarely needed)

        say(example(verbs_of(root.command, root)))
        return
    names, arguments = _split(root, options.verb)
    file = file_in_force(root)
    rows = _merged(_rows(root, file, names, arguments))
    if options.as_json:
        for row in rows:
            emit("setting", **asdict(row))
    elif is_terminal(sys.stdout):
        _draw(rows, file)
    else:
        for row in rows:
            write(sys.stdout, "\t".join(row.cells()) + "\n")
    if file is not None:
        raise_any(refusals(file, verbs_of(root.command, root)))


def _split(root: click.Context, words: Sequence[str]) -> tuple[Names, tuple[str, ...]]:
    """Split what was typed into the path to a verb and its arguments. Raises UsageError for unknown verbs."""
    command: click.Command = root.command
    names: list[str] = []
    for word in words:
        if not isinstance(command, click.Group):
            break
        known = command.list_commands(root)
        found = command.get_command(root, word)
        if found is None:
            cure = hint(word, known, f"the verbs are: {', '.join(known)}")
            raise UsageError(f"there is no verb '{word}'; {cure}")
        command = found
        names.append(word)
    return tuple(names), tuple(words[len(names) :])


def _rows(
    root: click.Context, file: SettingsFile | None, below: Names, arguments: Sequence[str]
) -> Iterator[InForce]:
    verbs = verbs_of(root.command, root)
    defaults = default_map(file, verbs, below, is_shown=True) if file else {}
    for path, command in verbs.items():
        if path[: len(below)] == below and path != ("config",):
            inner = defaults
            for name in path:
                inner = inner.get(name, {})
            lenient = _lenient(command)
            name = " ".join(path)
            context = lenient.make_context(name, [*arguments], parent=root, default_map=inner)
            yield from _rows_of(context, path, arguments, file)


def _lenient(command: click.Command) -> click.Command:
    """Return a copy of the verb in which no parameter is required."""
    made = copy.copy(command)
    made.params = [copy.copy(param) for param in command.params]
    for param in made.params:
        param.required = False
    return made


def _rows_of(
    context: click.Context, path: Names, arguments: Sequence[str], file: SettingsFile | None
) -> Iterator[InForce]:
    """Yield the options of a verb as it would run."""
    command = context.command
    # As typed, before conversion: people recognize that.
    typed, _, _ = command.make_parser(context).parse_args([*arguments])
    settings = settings_for(file, path, command) if file else {}
    for key, one in options_of(command).items():
        raw, source = one.consume_value(context, typed)
        value = shown(one, raw, context.params[str(one.name)])
        origin, place = _origin(one, source, file, settings.get(key))
        if source is _SOURCE.DEFAULT and key in _AWS and one.is_general:
            found = aws_values(context.params.get("profile"))[key]
            value, origin, place = shown(one, None, found.value), found.origin, found.place
        yield InForce(option=key, value=value, source=origin, place=place, verbs=(" ".join(path),))


def _origin(
    one: Option, source: click.core.ParameterSource, file: SettingsFile | None, setting: Setting | None
) -> tuple[str, str | None]:
    if source is _SOURCE.COMMANDLINE:
        return "flag", None
    if source is _SOURCE.ENVIRONMENT:
        return "environment", str(one.envvar)
    if source is not _SOURCE.DEFAULT_MAP or file is None or setting is None:
        return DEFAULT, None
    is_refused = not file.is_named and setting.refusal is not None
    return "refused" if is_refused else "file", file.place(setting.keys)


def shown(option: Option, raw: Any, value: Any) -> Any:
    """Return a value as it was typed if click converted it, without secrets."""
    if isinstance(value, tuple):
        given = [raw] if isinstance(raw, str) else raw
        return tuple(shown(option, None, str(text)) for text in given) if value else None
    if not isinstance(value, bool | int | str | None):
        value = str(raw)
    if not isinstance(value, str):
        return value
    if option.risk is Risk.RUNS:
        value = f"{''.join(_HOOK_BEGIN.findall(value)[:1])} ..."
    return masked(str(LedgerPlace(value)) if option.name == "ledger" else value)


def _merged(rows: Iterable[InForce]) -> list[InForce]:
    """Merge rows that differ only in their verbs, in the order of the first of each."""
    verbs: dict[InForce, list[str]] = {}
    for row in rows:
        verbs.setdefault(replace(row, verbs=()), []).extend(row.verbs)
    return [replace(row, verbs=tuple(names)) for row, names in verbs.items()]


def _draw(rows: Sequence[InForce], file: SettingsFile | None) -> None:
    say(f"settings file: {file.path}" if file else "settings file: none")
    table = [("OPTION", "VALUE", "FROM", "VERBS"), *(row.cells() for row in rows)]
    widths = [min(_WIDEST, max(len(cells[column]) for cells in table)) for column in range(len(table[0]))]
    for cells in table:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        say(line, hang=sum(widths[:-1]) + 2 * len(widths[:-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsValue:
    """A value, and where it came from."""

    value: str | None
    origin: str  #: environment, aws (its files) or default
    place: str | None = None  #: the variable, or the profile


@cache
def aws_values(profile: str | None) -> dict[str, AwsValue]:
    """Return profile, region and endpoint-url from the environment and the *profile* in AWS's own files.

    Raises:
        UsageError: The files cannot be read, or have no such profile.
    """
    # Each in botocore's order.
    named = _variable("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
    region = _variable("AWS_REGION", "AWS_DEFAULT_REGION")
    is_ignored = os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    endpoint = None if is_ignored else _variable("AWS_ENDPOINT_URL_OMICS", "AWS_ENDPOINT_URL")
    if not (region and endpoint):
        in_files = _in_files(profile or (named.value if named else None))
        region = region or in_files.get("region")
        endpoint = endpoint or (None if is_ignored else in_files.get("endpoint_url"))
    nothing = AwsValue(value=None, origin=DEFAULT)
    return {
        "profile": named or AwsValue(value=DEFAULT, origin=DEFAULT),
        "region": region or nothing,
        "endpoint-url": endpoint or AwsValue(value="the region's own", origin=DEFAULT),
    }


def _variable(*names: str) -> AwsValue | None:
    name = next((name for name in names if os.environ.get(name)), None)
    return AwsValue(value=os.environ[name], origin="environment", place=name) if name else None


def _at_home(place: str) -> Path:
    return Path(os.path.expanduser(place))  # noqa: PTH111 (takes a machine without a home, as botocore does)


def _in_files(profile: str | None) -> dict[str, AwsValue]:
    paths = [_at_home(os.environ.get(name) or place) for name, place in _FILES]
    if profile is None and not any(path.exists() for path in paths):
        return {}
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 (often the environment has it all)
    from botocore.session import Session  # noqa: PLC0415

    from batchrun.service.wire import table  # noqa: PLC0415

    session = Session(profile=profile)
    try:
        scoped = session.get_scoped_config()
        services = table(session.full_config.get("services", {}).get(scoped.get("services")))
        is_ignored = session.get_config_variable("ignore_configured_endpoint_urls")
    except BotoCoreError as error:
        from batchrun.service.login.origin import LoginOrigin  # noqa: PLC0415 (as above)
        from batchrun.service.login.words import explained  # noqa: PLC0415 (loads aiobotocore)

        raise explained(error, None, LoginOrigin(session)) from error
    endpoint = table(services.get("omics")).get("endpoint_url") or scoped.get("endpoint_url")
    values = {"region": scoped.get("region"), "endpoint_url": None if is_ignored else endpoint}
    place = f"profile {profile or DEFAULT}"
    return {
        name: AwsValue(value=str(value), origin="aws", place=place) for name, value in values.items() if value
    }
