"""Messages about a failed login, each one line that names the place and the cure.

Providers raise botocore's errors, but also KeyError, and errors of json and binascii. Whether a
setting cannot work or credentials are only missing now decides who must act, and a command's exit code. Does
not belong here: where the settings are (``origin``).
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from batchrun.errors import LoginSettingError, ServiceUnusableError, UsageError
from batchrun.model.texts.foreign import masked, shortened
from batchrun.service.classify import code_of
from batchrun.service.login.chain import CodeWantedError
from batchrun.service.login.helper import HelperError
from batchrun.service.login.origin import LoginOrigin

#: Characters of a foreign message.
_LONGEST: Final = 240
#: A cure that differs where lanes name the profiles: there the option is refused.
_ANOTHER: Final = "give another --profile"
_ANOTHER_IN_LANES: Final = "give the lane another profile"
_TRUST: Final = (
    f"see the role's trust policy, which 'batchrun help iam' shows, and external_id, or {_ANOTHER}"
)
_SSO_OVER: Final = "the AWS SSO session has expired"
_CORRECT: Final = f"correct it, or {_ANOTHER}"
_NETWORK: Final = f"check the network, or {_ANOTHER}"
_OTHER_PROFILE: Final = f"correct that, or {_ANOTHER}"

_SETTINGS: Final = (
    boto.InvalidConfigError,
    boto.UnknownCredentialError,
    boto.MissingDependencyException,
    boto.ParamValidationError,
    boto.NoRegionError,
    boto.InvalidRegionError,
)
#: Providers of hand-written settings, and providers with a login command, by botocore's names.
_WRITTEN: Final = frozenset({"custom-process", "env", "shared-credentials-file", "config-file"})
_LOGINS: Final = {"sso": "aws sso login", "login": "aws login"}
#: Keys that providers read from answers without checking that they are there.
_IN_ANSWERS: Final = frozenset(
    {"AssumeRoleResult", "AssumeRoleWithWebIdentityResult", "Credentials", "expiresIn", "roleCredentials"}
)


class ExpiredKeysError(Exception):
    """The keys that a provider has, or just gave, expired before *now*, as the machine's clock says."""

    def __init__(self, *, expired: datetime, now: datetime) -> None:
        said = (f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for at in (expired, now))
        super().__init__("the credentials have expired ({}; this machine's clock says {})".format(*said))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judgement:
    what: str
    cure: str = _OTHER_PROFILE
    is_setting: bool = False  #: whether a setting cannot work, whoever logs in


def explained(
    error: Exception, provider: str | None, origin: LoginOrigin
) -> UsageError | ServiceUnusableError:
    """Return our own error for any that *provider*, by botocore's name or None, raised."""
    if isinstance(error, boto.ProfileNotFound | boto.ConfigParseError):
        return _unreadable(error, origin)
    found = _judged(error, provider, origin)
    if found.is_setting and (variable := origin.variable_in(found.what)):
        return LoginSettingError(_of_variable(variable, found.what))
    text = f"{origin.place(provider)}: {found.what}; {_for_lanes(found.cure, origin)}"
    return LoginSettingError(text) if found.is_setting else ServiceUnusableError(f"{text}; nothing is lost")


def unusable(error: Exception, origin: LoginOrigin) -> UsageError:
    """Return the error for settings with which no client can be made."""
    if isinstance(error, boto.ProfileNotFound | boto.ConfigParseError):
        return _unreadable(error, origin)
    what = _cut(error if isinstance(error, boto.BotoCoreError) else f"{type(error).__name__}: {error}")
    if variable := origin.variable_in(what):
        return UsageError(_of_variable(variable, what))
    if isinstance(error, AttributeError) and (place := origin.without_indent):
        return UsageError(
            f"{origin.place(None)}: {place} with no settings of its own; indent those that are meant, as in "
            "'  endpoint_url = ...' on the line below it"
        )
    return UsageError(f"{origin.place(None)}: {what}; {_for_lanes(_CORRECT, origin)}")


def _of_variable(variable: str, what: str) -> str:
    return f"{variable}: {what}; correct it, or unset it"


def none_found(origin: LoginOrigin) -> UsageError | ServiceUnusableError:
    """Return the error where no provider has credentials; a named profile never uses another's."""
    if origin.is_named:
        is_sso = origin.has("sso_session") or origin.has("sso_start_url")
        missing = "sso_account_id and sso_role_name" if is_sso else "them"
        return LoginSettingError(
            f"{origin.place(None)} has no credentials; add {missing}, or {_for_lanes(_ANOTHER, origin)}"
        )
    option = "give the lane a profile" if origin.is_lanes else "give --profile"
    return ServiceUnusableError(
        f"no AWS credentials found: set AWS_PROFILE or {option}, run 'aws sso login', "
        "or use a role; nothing is lost"
    )


def late(seconds: float, program: str | None) -> TimeoutError:
    """Return the error for credentials that did not come in time."""
    who = f"its credential_process ({program}) did not end" if program else "no credentials came"
    return TimeoutError(f"{who} within {seconds:.0f} s")


def cure(provider: str | None, origin: LoginOrigin) -> str:
    """Return what to do where a service rejects the credentials of *provider*."""
    if provider in _LOGINS:
        return f"log in again with '{_LOGINS[provider]}{origin.option()}'"
    return f"log in again, or {_for_lanes(_ANOTHER, origin)}"


def _for_lanes(cure: str, origin: LoginOrigin) -> str:
    return cure.replace(_ANOTHER, _ANOTHER_IN_LANES) if origin.is_lanes else cure


def _unreadable(error: boto.BotoCoreError, origin: LoginOrigin) -> UsageError:
    if isinstance(error, boto.ConfigParseError):
        wrong = _wrong_in_file(error.kwargs.get("error"))
        return UsageError(f"{_cut(error)}{f': {wrong}' if wrong else ''}; correct it")
    if variable := origin.empty_variable:
        return UsageError(f"{variable} is set, and empty; unset it, or name a profile in it")
    where = f"there is no AWS profile '{origin.profile}' in {origin.files}"
    if origin.is_without_word:
        return UsageError(f"{where}, but [{origin.profile}]; write [profile {origin.profile}] there")
    named_by = "the lane's profile" if origin.is_lanes else "--profile"
    return UsageError(f"{where}; correct {named_by} or AWS_PROFILE")


def _wrong_in_file(error: object) -> str | None:
    """Return what is wrong in a file, without its lines, which may have a key, or None."""
    match error:
        case configparser.DuplicateOptionError():
            return f"line {error.lineno} has '{error.option}' a second time in [{error.section}]"
        case configparser.DuplicateSectionError():
            return f"line {error.lineno} has [{error.section}] a second time"
        case configparser.MissingSectionHeaderError():
            return (
                f"line {error.lineno} is in no section, as [default] is one, or begins with a byte order mark"
            )
        case configparser.ParsingError(errors=[(line, _), *_]):
            return f"line {line} is neither a section nor a setting"
        case UnicodeDecodeError():
            return "it is no text in UTF-8"
        case ValueError():  # of botocore, for what is below a setting
            return "an indented line is no setting, as 'endpoint_url = ...' is one"
        case _:
            return None


def _judged(error: Exception, provider: str | None, origin: LoginOrigin) -> _Judgement:
    match error:
        case HelperError():
            return _Judgement(what=_cut(error.reason), cure=error.cure, is_setting=error.is_setting)
        case boto.PartialCredentialsError():
            missing = str(error.kwargs.get("cred_var"))
            return _Judgement(what=f"{missing} is missing", cure="add it", is_setting=True)
        case CodeWantedError() | boto.RefreshWithMFAUnsupportedError():
            return _Judgement(what=_about_code(error), cure=_cure_of_code(origin))
        case boto.LoginError():
            return _Judgement(what=_cut(error), cure=cure("login", origin))
        case boto.SSOError() | boto.TokenRetrievalError():
            is_over = isinstance(error, boto.UnauthorizedSSOTokenError)
            return _Judgement(what=_SSO_OVER if is_over else _cut(error), cure=cure("sso", origin))
        case _ if isinstance(error, _SETTINGS):
            return _Judgement(what=_cut(error), cure=_CORRECT, is_setting=True)
        case boto.HTTPClientError() | boto.ConnectionError():
            return _Judgement(what=_cut(error), cure=_NETWORK)
        case boto.ClientError():
            return _Judgement(what=_refusal(error), cure=_TRUST if _is_no_loan(error) else _OTHER_PROFILE)
        case TimeoutError() if error.args:
            return _Judgement(what=_cut(error), cure=f"see what it waits for, or {_ANOTHER}")
        case _:
            return _unforeseen(error, provider, origin)


def _unforeseen(error: Exception, provider: str | None, origin: LoginOrigin) -> _Judgement:
    """Judge an error by its class and its provider."""
    if isinstance(error, ExpiredKeysError):
        return _Judgement(what=_cut(error), cure=f"renew them, or {_ANOTHER}")
    if isinstance(error, OSError) and error.filename is not None:
        return _Judgement(what=_cut(f"{error.filename}: {error.strerror}"))
    if isinstance(error, boto.BotoCoreError | OSError):
        return _Judgement(what=_cut(error))
    told = f"({type(error).__name__}: {_cut(error)})"
    if isinstance(error, ResponseParserError) or not _IN_ANSWERS.isdisjoint(error.args):
        what = f"what was answered has no credentials {told}, as a proxy's page has none"
        return _Judgement(what=what, cure=_NETWORK)
    what = f"the credentials cannot be read {told}"
    if provider in _LOGINS:
        return _Judgement(what=what, cure=cure(provider, origin))
    return _Judgement(what=what, is_setting=provider in _WRITTEN)


def _refusal(error: boto.ClientError) -> str:
    said = error.response.get("Error", {})
    return f"{error.operation_name} was refused ({said.get('Code')}: {_cut(said.get('Message') or '-')})"


def _is_no_loan(error: boto.ClientError) -> bool:
    return error.operation_name.startswith("AssumeRole") and code_of(error) == "AccessDenied"


def _about_code(error: Exception) -> str:
    if isinstance(error, CodeWantedError):
        return f"an MFA code is wanted for {error.device}, and there is no terminal to ask on"
    return "the MFA session has expired"


def _cure_of_code(origin: LoginOrigin) -> str:
    option = "" if origin.profile == "default" else f" --profile {origin.profile}"
    return f"log in with 'aws sts get-caller-identity{option}': its cached session is used here"


def _cut(said: object) -> str:
    return shortened(masked(" ".join(str(said).split()).rstrip(".")), _LONGEST)
