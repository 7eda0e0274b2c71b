"""``{id}``, ``{batch}``, ``{parameters.NAME}`` and ``{env.NAME}`` within text values.

Columns of a sheet were filled in before (``sheets``). All rules:

- A brace pair around a name (letters, digits, ``_``, with dots between) is a placeholder; after
  ``parameters.`` comes one key of ``parameters``, dots and hyphens included.
- Braces around anything else are text: ``*_{1,2}.fastq.gz``, ``{}`` and ``{"a":{"b":1}}`` stay as they are.
- ``{{`` is a brace: ``{{name}`` gives ``{name}``, and so does ``{{name}}``, as elsewhere. Any other ``}}``
  is text.
- Filled in once: braces in a value that was filled in are text. A parameter with a placeholder cannot be
  filled into another text.
- Keys of tables, and ``id``, are not filled.
- ``{env.NAME}`` is an environment variable that was allowed by name, and never a credential: a manifest may
  come from anybody, and its values are sent, kept and shown.
- ``{sheet}`` is the place of the row's own sheet, if there is ``sheet_out``.
- ``{lane}`` is the lane that the row is sent to, if there are lanes.

No formats, no attributes, no indexing: a hostile manifest reaches nothing through these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from batchrun.manifest import limits
from batchrun.manifest.problems import Place, Problems, UnfitError, printable, shown
from batchrun.manifest.scalars import as_text
from batchrun.model.spec import Json

_NAME = r"parameters\.[^{}\s\"',:]*|[^\W\d]\w*(?:\.\w+)*"
_TOKEN = re.compile(rf"\{{\{{(?:({_NAME})\}}\}})?|\{{({_NAME})\}}")
_TO_ESCAPE = re.compile(rf"\{{({_NAME})\}}|\{{(?=\{{)")
_PARAMETERS = "parameters."
ENV = "env."
_BATCH = "{batch}"
_SHEET = "{sheet}"
_LANE: Final = "lane"
_OWN: Final = frozenset({"id", "batch", "sheet"})


class PlaceholderError(UnfitError):
    """A placeholder that cannot be filled."""


def names_in(text: str) -> list[str]:
    """Return the names of the placeholders in *text*."""
    return [match[2] for match in _TOKEN.finditer(text) if match[2] is not None]


def unescaped(text: str) -> str:
    """Return a text without placeholders as it is sent."""
    return _TOKEN.sub(lambda match: "{" if match[1] is None else f"{{{match[1]}}}", text)


def escaped(text: str) -> str:
    """Return a text that becomes *text* when it is filled in: the inverse of :func:`unescaped`."""
    if "{" not in text:
        return text
    return _TO_ESCAPE.sub(lambda match: "{{" if match[1] is None else f"{{{{{match[1]}}}}}", text)


def escaped_before_placeholder(text: str) -> str:
    """Return :func:`escaped` text for use before a placeholder, which a brace at the end must not join."""
    return escaped(text + "{")[:-1] if "{" in text else text


def not_allowed(name: str) -> str:
    """Raise the PlaceholderError that refuses an environment variable."""
    name = printable(name)
    cure = f"if its value may be sent, kept and shown, give --env {name}; for a brace as text write {{{{"
    raise PlaceholderError(f"{{env.{name}}} is not allowed to stand for a variable of the environment", cure)


def check_name(name: str, env: Callable[[str], str] = not_allowed, *, has_lanes: bool = False) -> None:
    """Refuse a placeholder that no row can fill; *env* returns the value of an environment variable.

    Raises:
        PlaceholderError: It is none of ``id``, ``batch``, ``sheet``, ``parameters.NAME``, ``env.NAME``, nor
            ``lane`` with *has_lanes*.
    """
    if name.startswith(ENV):
        env(name.removeprefix(ENV))
    elif name not in _OWN and not name.startswith(_PARAMETERS) and not (has_lanes and name == _LANE):
        lane = "{lane}, " if has_lanes else ""
        raise PlaceholderError(
            f"there is nothing called {{{printable(name)}}}",
            f"use {{id}}, {{batch}}, {lane}{{parameters.NAME}} or {{env.NAME}}; "
            "for a brace as text write {{",
        )


class Values:
    """The values of one row's placeholders."""

    def __init__(
        self,
        batch: str,
        entry_id: str,
        parameters: Mapping[str, Json],
        *,
        sheet: str | None = None,
        lane: str | None = None,
        env: Callable[[str], str] = not_allowed,
    ) -> None:
        self._own = {"id": entry_id, "batch": batch, "sheet": sheet, _LANE: lane}
        self._parameters = parameters
        self._env = env
        self._room = limits.FILLED

    def fill(self, text: str) -> str:
        """Return *text* with its placeholders filled in.

        Raises:
            PlaceholderError: A name is unknown, or its value is empty or not text.
        """
        return _TOKEN.sub(self._replacement, text)

    def fill_but_batch(self, text: str) -> str | None:
        """Return *text*, which can be filled in, with ``{batch}`` left in place; None if nothing changes.

        ``{sheet}`` becomes the sheet's file name alone, which has the digest of its content: the folder may
        have the batch's name.
        """
        if _BATCH not in text and _SHEET not in text:
            return None
        id_, sheet = self._own["id"] or "", self._own["sheet"]
        file = sheet.rpartition("/")[2] if sheet else None
        lane = self._own[_LANE]
        return Values(_BATCH, id_, self._parameters, sheet=file, lane=lane, env=self._env).fill(text)

    def _replacement(self, match: re.Match[str]) -> str:
        escaped, name = match.groups()
        if name is None:
            return "{" if escaped is None else f"{{{escaped}}}"
        value = self._own.get(name) or self._found(name)
        self._room -= len(value)
        if self._room < 0:
            message = f"the placeholders of this row make more than {limits.FILLED} characters"
            raise PlaceholderError(message, "use fewer of them, or shorter values")
        return value

    def _found(self, name: str) -> str:
        return self._env(name.removeprefix(ENV)) if name.startswith(ENV) else self._parameter(name)

    def _parameter(self, name: str) -> str:
        check_name(name, has_lanes=self._own[_LANE] is not None)
        if name == "sheet":
            cure = "say with sheet_out, beside sheet, where each row's own sheet is to be written"
            raise PlaceholderError("{sheet} has no value: no sheets are written", cure)
        key = name.removeprefix(_PARAMETERS)
        if key not in self._parameters:
            raise PlaceholderError(
                f"{{{printable(name)}}} has no value: this row has no such parameter",
                "give the parameter, or leave the placeholder out",
            )
        value = self._parameters[key]
        text = as_text(value)
        if not text:
            message = f"{{{printable(name)}}} has no text to fill in: it is {shown(value)}"
            raise PlaceholderError(message, "give the parameter a text or a number that is not empty")
        return _constant(text, name) if "{" in text else text


def _constant(text: str, name: str) -> str:
    if names_in(text):
        raise PlaceholderError(
            f"{{{printable(name)}}} holds a placeholder itself: {shown(text)}",
            "placeholders are filled once: write its text out here",
        )
    return unescaped(text)


_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Names of variables with secrets, those of the AWS chain among them.
_SECRET: Final = re.compile(
    r".*(?:SECRET|PASSW(?:OR)?D|PASSPHRASE|CREDENTIAL|AUTHORIZATION|COOKIE).*"
    r"|.*TOKENS?(?:_.*)?|.*(?:ACCESS|PRIVATE|API)_?KEY.*|.*KEYS?|.*PASS|(?:.*_)?(?:AUTH|PAT)|.+_PWD",
    re.IGNORECASE,
)
#: A user and password before a host.
_LOGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/@\s]*:[^/@\s]+@")
#: Variables whose values are secret under any name.
_HELD: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_CURE: Final = "let the workflow take it from AWS Secrets Manager, by the role that its runs have"


class Environment:
    """The environment variables that may be filled in."""

    def __init__(self, allowed: Sequence[str], variables: Mapping[str, str], problems: Problems) -> None:
        self._allowed = frozenset(allowed)
        self._variables = variables
        for name in allowed:
            _check(name, problems)

    def value(self, name: str) -> str:
        """Return a variable's value.

        Raises:
            PlaceholderError: It is not allowed, is not set, or holds a credential.
        """
        if _is_secret(name):
            raise PlaceholderError(
                f"{{env.{printable(name)}}} is a credential's, which no run is given", _CURE
            )
        if name not in self._allowed:
            return not_allowed(name)
        value = self._variables.get(name)
        if not value:
            state = "is not set" if value is None else "is empty"
            raise PlaceholderError(
                f"the variable {name} of the environment {state}", f"set it, or leave {{env.{name}}} out"
            )
        if self._has_secret(value):
            raise PlaceholderError(f"the value of the variable {name} has a credential in it", _CURE)
        return value

    def _has_secret(self, value: str) -> bool:
        held = (self._variables.get(name) for name in _HELD)
        return _LOGIN.search(value) is not None or any(one in value for one in held if one)


def _check(name: str, problems: Problems) -> None:
    place = Place(source="--env")
    if not _VARIABLE.fullmatch(name):
        problems.add(
            place, f"{shown(name)} is not a name of a variable", "write the name alone: --env RUN_DATE"
        )
    elif _is_secret(name):
        problems.add(place, f"{name} is a credential's, which no run is given", _CURE)


def _is_secret(name: str) -> bool:
    return _SECRET.fullmatch(name) is not None
