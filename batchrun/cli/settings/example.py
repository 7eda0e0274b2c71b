"""A commented ``batchrun.toml`` with every option that can be set, made from the options themselves."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any, Final

import click

from batchrun.cli.settings.names import is_general, settable
from batchrun.cli.values import OutputPath

if TYPE_CHECKING:
    from batchrun.cli.command import Option
    from batchrun.cli.settings.names import Names, Verbs

_HEAD: Final = """\
# Defaults of batchrun's options: take the # from the lines that you want, and from the [table] above them.
# Words in capitals are to be filled in. Flags and BATCHRUN_... variables win over this file;
# 'batchrun config' shows what is in force. Never put credentials here.
"""
_TOP: Final = "# For every verb that has the option. Keep these above the tables."
_WIDTH: Final = 108


def example(verbs: Verbs) -> str:
    """Return the file: what several verbs share at the top, then a table for each verb's own."""
    having: dict[str, list[Names]] = {}
    shared: dict[str, Option] = {}
    for path, command in verbs.items():
        for key, option in settable(command).items():
            if is_general(key, option):
                having.setdefault(key, []).append(path)
                shared.setdefault(key, option)
    top = {key: option for key, option in shared.items() if len(having[key]) > 1}
    parts = [_HEAD, _TOP, *(_lines(key, option) for key, option in top.items())]
    for path, command in verbs.items():
        own = {
            key: option
            for key, option in settable(command).items()
            if not (key in top and is_general(key, option))
        }
        if own:
            parts += ["", f"# [{'.'.join(path)}]", *(_lines(key, option) for key, option in own.items())]
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
    """Return the default, or something of the right type."""
    if option.is_flag:
        return option.default is True
    if option.multiple:
        return [option.metavar or "TEXT"]
    if isinstance(option.default, str | int | float):
        return option.default
    if isinstance(option.type, click.Choice):
        return option.type.choices[0]
    is_number = isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
    return 1 if is_number else option.metavar or "TEXT"
