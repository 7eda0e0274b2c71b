"""The file of the options' defaults: ``batchrun.toml``, or ``[tool.batchrun]`` of ``pyproject.toml``.

Belongs here: finding it, whether to trust it, reading it, and the places of its settings; all of it as
hostile input. Does not: what its keys mean (``names``).
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from batchrun.errors import UsageError

OWN: Final = "batchrun.toml"
SHARED: Final = "pyproject.toml"
#: The table with the settings in a shared file.
_SHARED_TABLE: Final = ("tool", "batchrun")
#: Most bytes; a thousand settings take a tenth of it.
_LIMIT: Final = 256 * 1024
_NAME: Final = r"[A-Za-z0-9_-]+|\"[^\"\\]*\"|'[^']*'"
_NAMES: Final = rf"\s*((?:{_NAME})(?:\s*\.\s*(?:{_NAME}))*)\s*"
_HEADER: Final = re.compile(rf"\s*\[{_NAMES}\]")
_KEY: Final = re.compile(rf"{_NAMES}=")
_POSITION: Final = re.compile(r" \(at line (\d+), column (\d+)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """A settings file, parsed but not interpreted."""

    path: str  #: as named or found
    is_named: bool  #: by --config or BATCHRUN_CONFIG, not merely found in the working directory
    table: dict[str, Any]  #: the settings as TOML values
    text: str

    def place(self, keys: tuple[str, ...]) -> str:
        """Return the place of the setting *keys*, or of the table of this name: ``batchrun.toml:3``."""
        root = _SHARED_TABLE if _is_shared(self.path) else ()
        line = line_of(self.text, (*root, *keys))
        return self.path if line is None else f"{self.path}:{line}"


def find(named: str | None) -> SettingsFile | None:
    """Read the *named* file, or else the one in the working directory; None if there is none."""
    if named is not None:
        return _read(named, is_named=True)
    found = [one for path in (OWN, SHARED) if (one := _read(path, is_named=False)) and one.table]
    if len(found) > 1:
        raise UsageError(
            f"{OWN} and [tool.batchrun] of {SHARED} both have settings; keep them in one, "
            "so that none is silently ignored"
        )
    return found[0] if found else None


def _read(path: str, *, is_named: bool) -> SettingsFile | None:
    try:
        # Do not wait for the other end of a pipe.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise UsageError(f"{path} is not a regular file, which settings must be")
            raw = file.read(_LIMIT + 1)
    except FileNotFoundError:
        if is_named:
            raise UsageError(f"there is no file {path}, which --config or BATCHRUN_CONFIG names") from None
        return None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} cannot be read: {why}; see --config and --no-config") from error
    if _is_shared(path) and len(raw) <= _LIMIT and b"batchrun" not in raw:
        return None  # it is for other programs only
    text = _decoded(path, raw)
    table = _settings(path, text)
    if table and not is_named:
        _check_trust(path, found)
    return SettingsFile(path=path, is_named=is_named, table=table, text=text)


def _is_shared(path: str) -> bool:
    return Path(path).name == SHARED


def _decoded(path: str, raw: bytes) -> str:
    if len(raw) > _LIMIT:
        raise UsageError(f"{path} has more than {_LIMIT // 1024} KiB, which no settings need")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: this is not UTF-8, which TOML must be") from error


def _settings(path: str, text: str) -> dict[str, Any]:
    document = parsed(path, text)
    if not _is_shared(path):
        return document
    for name in _SHARED_TABLE:
        document = document.get(name, {})
        if not isinstance(document, dict):
            raise UsageError(f"{path}: '{name}' must be a table; write [tool.batchrun]")
    return document


def parsed(path: str, text: str) -> dict[str, Any]:
    """Return the tables of a TOML file. Raises UsageError with the line and column of a syntax error."""
    import tomllib  # noqa: PLC0415 (most people have no such file)

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UsageError(f"{path}: lists or tables are nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError is one; so is an integer of 5,000 digits
        what = str(error)
        position = _POSITION.search(what)
        place = f"{path}:{position[1]}:{position[2]}" if position else path
        cure = " (each name is used once, for a value or for a table)" if "overwrite" in what else ""
        raise UsageError(f"{place}: this is not TOML: {_POSITION.sub('', what)}{cure}") from error


def _check_trust(path: str, found: os.stat_result) -> None:
    """Raise UsageError for a file that other users of the machine could have written, or put here."""
    is_others = found.st_uid not in {os.geteuid(), 0}
    if found.st_mode & stat.S_IWOTH:
        why = "everyone on this machine can write to it"
    elif is_others and Path.cwd().stat().st_mode & stat.S_IWOTH:
        why = "it belongs to another user, in a directory that everyone can write to"
    else:
        return
    raise UsageError(
        f"{path} is not taken from the working directory: {why}; make it yours alone (chmod o-w), name it "
        f"with --config {path} if you trust it, or give --no-config"
    )


def line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the line on which *keys* is set, or its table begins; None if that is not certain."""
    header: tuple[str, ...] = ()
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if match := _HEADER.match(line):
            header = whole = _split(match[1])
        elif match := _KEY.match(line):
            whole = (*header, *_split(match[1]))
        else:
            continue
        if whole == keys:
            found.append(number)
    return found[0] if len(found) == 1 else None


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in re.findall(_NAME, names))
