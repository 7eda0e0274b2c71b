"""
``{env.NAME}``: variables of the environment that may stand in requests.

Only those that were allowed by name, and never what is a credential's: a manifest may come from anybody, and
what it asks for is sent, kept and shown. Belongs here: which those are. Does not: the texts that they are
filled into (``placeholders``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from batchrun.manifest.placeholders import PlaceholderError, not_allowed
from batchrun.manifest.problems import Place, printable, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrun.manifest.problems import Problems

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Names of what must be kept secret, those of the AWS chain among them.
_SECRET: Final = re.compile(
    r".*(?:SECRET|PASSW(?:OR)?D|PASSPHRASE|CREDENTIAL|AUTHORIZATION|COOKIE).*"
    r"|.*TOKENS?(?:_.*)?|.*(?:ACCESS|PRIVATE|API)_?KEY.*|.*KEYS?|.*PASS|(?:.*_)?(?:AUTH|PAT)|.+_PWD",
    re.IGNORECASE,
)
#: A name and a password before a host.
_LOGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/@\s]*:[^/@\s]+@")
#: Variables whose values are secret under other names too.
_HELD: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_CURE: Final = "let the workflow take it from AWS Secrets Manager, by the role that its runs have"


class Environment:
    """The variables that may be filled in."""

    def __init__(self, allowed: Sequence[str], variables: Mapping[str, str], problems: Problems) -> None:
        self._allowed = frozenset(allowed)
        self._variables = variables
        for name in allowed:
            _check(name, problems)

    def value(self, name: str) -> str:
        """
        Return what is filled in for a name.

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
    if not _NAME.fullmatch(name):
        problems.add(place, f"{shown(name)} is no name of a variable", "write the name alone: --env RUN_DATE")
    elif _is_secret(name):
        problems.add(place, f"{name} is a credential's, which no run is given", _CURE)


def _is_secret(name: str) -> bool:
    return _SECRET.fullmatch(name) is not None
