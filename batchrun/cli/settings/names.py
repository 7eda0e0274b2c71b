"""Which options a settings file sets, and to what: its keys and values are checked against the options.

Belongs here: a commented example with every option that can be set; names, tables, precedence within the
file, refused settings, values. Does not: the file, and whether to trust it (``file``); flags and the
environment, which click lets override it.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from batchrun.cli.command import Option
from batchrun.cli.settings.file import SettingsFile, find
from batchrun.cli.speak import hint
from batchrun.cli.values import OutputPath
from batchrun.errors import UsageError
from batchrun.model.texts.places import is_in_s3

#: The path to a verb, such as ("manifest", "from-s3"), or to a key of a table.
Names = tuple[str, ...]
Verbs = Mapping[Names, click.Command]

_HEAD: Final = """\
# Defaults of batchrun's options: take the # from the lines that you want, and from the [table] above them.
# Words in capitals are to be filled in. Flags and BATCHRUN_... variables win over this file;
# 'batchrun config' shows what is in force. Never put credentials here.
"""
_TOP: Final = "# For every verb that has the option. Keep these above the tables."
_WIDTH: Final = 108


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A file's value for one option."""

    option: Option
    keys: Names  #: its place, such as ("run", "rate")
    value: Any

    @property
    def refusal(self) -> str | None:
        """Why a file that was merely found may not set the option to this value; None if it may.

        A folder from somebody else must not run anything, send calls or credentials anywhere, read the
        environment, or write outside itself.
        """
        writes = isinstance(self.option.type, OutputPath) and isinstance(self.value, str)
        if self.option.risk is not None:
            why = self.option.risk.value
        elif writes and not _is_inside(self.value):
            why = f"writes outside this folder, to {self.value}"
        else:
            return None
        return (
            f"'{self.option.key}' {why}, and is not accepted from a file that was only found in the working "
            "directory; name the file with --config FILE or BATCHRUN_CONFIG if you trust it"
        )


def take_file(context: click.Context, verb: str, command: click.Command) -> None:
    """Set the defaults of *verb*, of the group of *context*, from the file in force.

    A verb without settings does not read the file, so that it works even if the file is wrong.
    """
    can_be_set = any(settable(one) for one in verbs_of(command, context).values())
    file = file_in_force(context) if can_be_set else None
    if file is not None:
        context.default_map = default_map(file, verbs_of(context.command, context), (verb,))


def file_in_force(context: click.Context) -> SettingsFile | None:
    """Read the file chosen by --config, --no-config and their variables, or the one found here, if any."""
    named, is_none = context.params["config"], context.params["no_config"]
    if named is not None and is_none:
        sources = [context.get_parameter_source(name) for name in ("config", "no_config")]
        if sources[0] is sources[1]:
            raise UsageError("--config and --no-config cannot be combined")
        is_none = sources[1] is click.core.ParameterSource.COMMANDLINE
    return None if is_none else find(named)


def verbs_of(command: click.Command, context: click.Context, path: Names = ()) -> dict[Names, click.Command]:
    """Return *command*, or all verbs below it, by their paths."""
    if not isinstance(command, click.Group):
        return {path: command}
    found: dict[Names, click.Command] = {}
    for name in command.list_commands(context):
        if (below := command.get_command(context, name)) is not None:
            found |= verbs_of(below, context, (*path, name))
    return found


def options_of(command: click.Command) -> dict[str, Option]:
    """Return a verb's options by their keys: the long name without dashes."""
    return {option.key: option for option in command.params if isinstance(option, Option)}


def settable(command: click.Command) -> dict[str, Option]:
    """Return the verb's options that a file may set, by key."""
    return {key: option for key, option in options_of(command).items() if option.each_time is None}


def settings_for(file: SettingsFile, path: Names, command: click.Command) -> dict[str, Setting]:
    """Return *file*'s settings of a verb's options by key; inner tables override outer ones."""
    chosen: dict[str, Setting] = {}
    table = file.table
    for depth in range(len(path) + 1):
        for key, option in options_of(command).items():
            value = table.get(key, {})
            if not isinstance(value, dict) and (depth > 0 or option.is_general):
                chosen[key] = Setting(option=option, keys=(*path[:depth], key), value=value)
        inner = table.get(path[depth]) if depth < len(path) else None
        if not isinstance(inner, dict):
            break
        table = inner
    return chosen


def default_map(file: SettingsFile, verbs: Verbs, below: Names, *, is_shown: bool = False) -> dict[str, Any]:
    """Return the defaults that *file* sets for all verbs below *below*, nested as click wants them.

    Args:
        file: The settings; all names in it are checked, whichever verb they are for.
        verbs: All verbs.
        below: Those whose values are wanted, and checked; empty for all.
        is_shown: Whether they are only shown, so that settings the file may not have are no error.

    Raises:
        UsageError: With all problems, one per line.
    """
    problems = [*_wrong_names(file, verbs), *(() if is_shown else refusals(file, verbs))]
    defaults: dict[str, Any] = {}
    for path, command in verbs.items():
        if path[: len(below)] != below:
            continue
        inner = defaults
        for name in path:
            inner = inner.setdefault(name, {})
        for setting in settings_for(file, path, command).values():
            try:
                value = value_for(setting.option, setting.value, click.Context(command))
                inner[str(setting.option.name)] = value
            except click.BadParameter as error:
                problems.append(f"{file.place(setting.keys)}: {'.'.join(setting.keys)}: {error.message}")
    raise_any(problems)
    return defaults


def raise_any(problems: Iterable[str]) -> None:
    """Raise UsageError with the problems, each once and on one line, if there are any."""
    if said := [one.replace("\n", "\\n") for one in dict.fromkeys(problems)]:
        raise UsageError("\n".join(said))


def refusals(file: SettingsFile, verbs: Verbs) -> Iterator[str]:
    """Yield why and where *file* sets options that it may not, if it was merely found."""
    for path, command in () if file.is_named else verbs.items():
        for setting in settings_for(file, path, command).values():
            if (why := setting.refusal) is not None:
                yield f"{file.place(setting.keys)}: {why}"


def _is_inside(place: str) -> bool:
    """Return whether a path, with links resolved, is within the working directory."""
    if is_in_s3(place):
        return False
    path = Path(place)
    if path.is_absolute() or ".." in path.parts:
        return False
    try:
        return path.resolve().is_relative_to(Path.cwd())
    except (OSError, ValueError, RuntimeError):
        return False


def value_for(option: Option, value: Any, context: click.Context) -> Any:
    """Return a TOML value as a default for click. Raises click.BadParameter."""
    if not option.multiple:
        given = _fitting(option, value)
    elif isinstance(value, list):
        given = [_fitting(option, one) for one in value]
    else:
        raise click.BadParameter("this option is repeatable: write a list, in brackets")
    option.type_cast_value(context, given)
    return given


def _fitting(option: Option, value: Any) -> Any:
    kinds, wanted = _kinds(option)
    is_wrong_bool = isinstance(value, bool) and bool not in kinds
    if not isinstance(value, kinds) or is_wrong_bool:
        raise click.BadParameter(f"write {wanted}, not {_described(value)}")
    if isinstance(value, str) and "\0" in value:
        raise click.BadParameter("text must not hold a NUL")
    # As text, the option reads it as if it had been typed, even a huge number.
    return value if isinstance(value, bool) else str(value)


def _kinds(option: Option) -> tuple[tuple[type, ...], str]:
    """Return the TOML types that *option* accepts, and their description."""
    if option.is_flag:
        return (bool,), "true or false"
    if option.count or isinstance(option.type, click.types.IntParamType):
        return (int,), "a whole number"
    if isinstance(option.type, click.types.FloatParamType):
        return (int, float), "a number"
    if isinstance(option.type, click.types.StringParamType):
        return (str,), "text, in quotes"
    return (str, int, float), "text, in quotes, or a number"


def _described(value: Any) -> str:
    words = {
        bool: "true or false",
        int: "a number",
        float: "a number with a fraction",
        str: "text",
        list: "a list",
        dict: "a table",
    }
    return words.get(type(value), "a date or time")


def _wrong_names(file: SettingsFile, verbs: Verbs) -> Iterator[str]:
    """Yield the problems of the names of keys and tables."""
    each_time = {
        key: option.each_time
        for verb in verbs.values()
        for key, option in options_of(verb).items()
        if option.each_time is not None
    }

    def walk(table: dict[str, Any], here: Names) -> Iterator[str]:
        below = {path: verb for path, verb in verbs.items() if path[: len(here)] == here}
        tables = {path[len(here)] for path in below if len(path) > len(here)}
        for key, value in table.items():
            if key in tables and isinstance(value, dict):
                yield from walk(value, (*here, key))
            elif key in each_time:
                yield f"{file.place((*here, key))}: '{key}' cannot be set in a file: {each_time[key]}"
            elif problem := _wrong_name(key, value, below, tables, is_top=not here):
                yield f"{file.place((*here, key))}: {problem}"

    return walk(file.table, ())


def _wrong_name(key: str, value: Any, below: Verbs, tables: set[str], *, is_top: bool) -> str | None:
    having = [path for path, verb in below.items() if key in options_of(verb)]
    has_place = not is_top or any(options_of(below[path])[key].is_general for path in having)
    if having and not has_place:
        return f"'{key}' is not the same for all verbs: set it in {_listed(having)}"
    if having:
        return f"'{key}' is a value, not a table" if isinstance(value, dict) else None
    if key in tables:
        return f"'{key}' is a verb: its settings go into a table, [{key}]"
    return _unknown(key, below, tables)


def _unknown(key: str, below: Verbs, tables: set[str]) -> str:
    options = [option for verb in below.values() for option in options_of(verb).values()]
    known = sorted({key for verb in below.values() for key in options_of(verb)} | tables)
    for option in options:
        if f"--{key}" in option.secondary_opts:
            return f"there is no option '{key}'; write {option.opts[0].removeprefix('--')} = false"
    typed = key.replace("_", "-").removeprefix("--")
    return f"there is no option '{key}'; " + hint(
        typed, known, "see 'batchrun config --init' for all that there are"
    )


def _listed(paths: Sequence[Names]) -> str:
    return " or ".join(f"[{'.'.join(path)}]" for path in paths)


def example(verbs: Verbs) -> str:
    """Return an example file: shared options at the top, then a table for each verb."""
    having: dict[str, list[Names]] = {}
    shared: dict[str, Option] = {}
    for path, command in verbs.items():
        for key, option in settable(command).items():
            if option.is_general:
                having.setdefault(key, []).append(path)
                shared.setdefault(key, option)
    top = {key: option for key, option in shared.items() if len(having[key]) > 1}
    parts = [_HEAD, _TOP, *(_lines(key, option) for key, option in top.items())]
    for path, command in verbs.items():
        own = {
            key: option for key, option in settable(command).items() if not (key in top and option.is_general)
        }
        if own:
            parts += ["", f"# {_listed([path])}", *(_lines(key, option) for key, option in own.items())]
    return "\n".join(parts)


def _lines(key: str, option: Option) -> str:
    words = " ".join((option.help or "").split("  [")[0].split())
    if option.risk is not None:
        words += " Only in a file that --config or BATCHRUN_CONFIG names."
    elif isinstance(option.type, OutputPath):
        words += " Outside this folder only in a file that --config or BATCHRUN_CONFIG names."
    comment = textwrap.fill(words, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    return f"{comment}\n# {key} = {json.dumps(_value(option))}"


def _value(option: Option) -> Any:
    """Return the default, or an example of the right type."""
    if option.is_flag:
        return option.default is True
    if option.multiple:
        return [_word(option)]
    if isinstance(option.default, str | int | float):
        return option.default
    if isinstance(option.type, click.Choice):
        return option.type.choices[0]
    is_number = isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
    return 1 if is_number else _word(option)


def _word(option: Option) -> str:
    return option.metavar or option.type.name.upper()
