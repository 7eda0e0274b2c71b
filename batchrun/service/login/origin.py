"""Where a login is configured, in words: the profile and the file, or the variables.

Does not belong here: what is wrong there (``words``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Final

from botocore.configloader import load_config, raw_config_parse
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.exceptions import BotoCoreError

#: Providers that read none of AWS's files, by botocore's names.
_ELSEWHERE: Final = {
    "env": "the environment (AWS_ACCESS_KEY_ID)",
    "container-role": "the container's role (AWS_CONTAINER_CREDENTIALS_*)",
    "iam-role": "the machine's role",
}
_WEB_IDENTITY: Final = "assume-role-with-web-identity"
_WEB_IDENTITY_FILE: Final = "web_identity_token_file"
_DEFAULT: Final = "default"
_VARIABLES: Final = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
#: The variables of settings, by the words that messages have for these.
_SETTING_VARIABLES: Final = {
    key.replace("_", " "): variable
    for key, (_, variable, *_rest) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    if isinstance(variable, str) and "_" in key
}


class LoginOrigin:
    """Where the credentials of one session are configured."""

    def __init__(self, session: Any, *, role: str | None = None, is_lanes: bool = False) -> None:
        """Read the settings of *session*, which assumes *role*; *is_lanes*: a lane names the profile."""
        self.is_lanes = is_lanes
        named = session.get_config_variable("profile")
        self.is_named = bool(named)  #: by an option, or by AWS_PROFILE
        self.profile: str = named or _DEFAULT
        self._role = role
        self._config = str(session.get_config_variable("config_file"))
        self._credentials = str(session.get_config_variable("credentials_file"))

    @property
    def files(self) -> str:
        """The names of AWS's own files."""
        return f"{self._config} and {self._credentials}"

    @cached_property
    def holder(self) -> str:
        """The profile with the login: the last that ``source_profile`` leads to."""
        seen = [self.profile]
        while (following := self._merged(seen[-1]).get("source_profile")) not in {None, *seen}:
            seen.append(str(following))
        return seen[-1]

    @property
    def held_elsewhere(self) -> str | None:
        """The holder, where it is another profile whose credentials assume this one's roles."""
        is_other = self.holder != self.profile and self._assumes(self.profile)
        is_there = bool(self._merged(self.holder))
        return self.holder if is_other and is_there and not self._assumes(self.holder) else None

    def _assumes(self, profile: str) -> bool:
        settings = self._merged(profile)
        return "role_arn" in settings and _WEB_IDENTITY_FILE not in settings

    def place(self, provider: str | None) -> str:
        """Return in words where *provider*, by botocore's name or None, has its settings."""
        place = self._source_place(provider)
        return place if self._role is None else f"role {self._role} with {place}"

    def _source_place(self, provider: str | None) -> str:
        is_variable = provider == _WEB_IDENTITY and _WEB_IDENTITY_FILE not in self._merged(self.profile)
        if is_variable and not self.is_named:
            return "the environment (AWS_WEB_IDENTITY_TOKEN_FILE)"
        if provider in _ELSEWHERE:
            return _ELSEWHERE[provider]
        source = "" if self.holder == self.profile else f" with source_profile '{self.holder}'"
        there = [path for path, known in self._profiles.items() if {self.profile, self.holder} & {*known}]
        files = " and ".join(there) or f"neither in {self._config} nor in {self._credentials}"
        return f"profile '{self.profile}'{source} ({files})"

    def variable_in(self, said: str) -> str | None:
        """Return the variable with the setting that *said* names and whose value it quotes, or None."""
        words = said.lower().replace("_", " ")
        return next(
            (
                variable
                for setting, variable in _SETTING_VARIABLES.items()
                if setting in words and (value := os.environ.get(variable)) and value in said
            ),
            None,
        )

    @property
    def empty_variable(self) -> str | None:
        """The variable that is to name the profile, and is empty; None where a profile is named."""
        empty = (name for name in _VARIABLES if os.environ.get(name) == "")
        return None if self.is_named else next(empty, None)

    @property
    def is_without_word(self) -> bool:
        """Whether the config file has the profile's section without the word ``profile`` in it."""
        with suppress(BotoCoreError):
            return self.profile in load_config(self._config)
        return False

    @cached_property
    def without_indent(self) -> str | None:
        """The section and setting below which settings should be indented, and are not; None for no such."""
        with suppress(BotoCoreError):
            found = load_config(self._config)
            own = found["profiles"].get(self.profile, {})
            services = found["services"].get(own.get("services"), {})
            flat = [key for key, value in services.items() if not isinstance(value, Mapping)]
            if flat:
                return f"[services {own['services']}] has '{flat[0]}'"
            if not isinstance(own.get("s3", {}), Mapping):
                return f"[profile {self.profile}] has 's3'"
        return None

    def has(self, key: str) -> bool:
        """Report whether the profile with the login has *key*."""
        return key in self._merged(self.holder)

    def option(self) -> str:
        """Return the AWS CLI's option for the profile with the login."""
        return "" if self.holder == _DEFAULT else f" --profile {self.holder}"

    def _merged(self, profile: str) -> Mapping[str, Any]:
        merged: dict[str, Any] = {}
        for profiles in self._profiles.values():
            merged |= profiles.get(profile) or {}
        return merged

    @cached_property
    def _profiles(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """Read the profiles of each file; for one that cannot be read botocore raises later."""
        found: dict[str, Mapping[str, Mapping[str, Any]]] = {self._config: {}, self._credentials: {}}
        with suppress(BotoCoreError):
            found[self._config] = load_config(self._config)["profiles"]
        with suppress(BotoCoreError):
            found[self._credentials] = raw_config_parse(self._credentials)
        return found
