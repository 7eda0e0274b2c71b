"""One lane of the table, key by key.

Does not belong here: the table of lanes (``table``), whether the credentials exist (``service``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from batchrun.manifest.parts import Record
from batchrun.manifest.problems import Problems, UnfitError, shown, shown_instead
from batchrun.manifest.scalars import as_text
from batchrun.model.lanes import Lane
from batchrun.model.paces import rates
from batchrun.model.paces.rates import Rate
from batchrun.model.spec import Json
from batchrun.model.texts.foreign import is_loopback, web_address
from batchrun.model.texts.places import SUCH_AS as A_PLACE
from batchrun.model.texts.places import settings_place
from batchrun.model.texts.queue_names import SUCH_AS, QueueName, queue_in

#: The key of the StartRun fields that the lane gives to its rows.
SET: Final = "set"
NAME: Final = re.compile(r"\w[\w.-]{0,63}")
_REGION: Final = re.compile(r"(?=.{1,63}\Z)[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/[\w+=,.@/-]{1,576}", re.ASCII)
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_ACCOUNT: Final = re.compile(r"[0-9]{12}", re.ASCII)
#: The scheme of an address, and what is before its last @.
_LOGIN: Final = re.compile(r"\A((?:[\w+.-]+:)*//)?.*@", re.DOTALL)
_COUNT: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_LONGEST_PROFILE: Final = 256
_LONGEST_URL: Final = 2048


def _matching(pattern: re.Pattern[str], what: str, cure: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise UnfitError(f"is not {what}", cure)
        return text

    return read


_region = _matching(_REGION, "a region", "write it as AWS does, such as us-east-1")
_role = _matching(_ROLE, "a role", "write arn:aws:iam::ACCOUNT:role/NAME, with 12 digits")
_external_id = _matching(
    _EXTERNAL_ID, "an external id", "write 2 to 1224 letters, digits and _ + = , . @ : / -"
)
_account = _matching(_ACCOUNT, "an account", "write its 12 digits; in JSON in quotes")


def _profile(text: str) -> str:
    if text != text.strip() or not text.isprintable() or len(text) > _LONGEST_PROFILE:
        raise UnfitError("is not a profile", "write its name, as in ~/.aws/config")
    return text


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise UnfitError("is not a number of runs", "write a whole number, from 1 on")
    return int(text)


def _rate(text: str) -> Rate:
    try:
        return rates.parsed(text)
    except ValueError as error:
        raise UnfitError("is not a rate", rates.CURE) from error


def _shared_endpoint(text: str) -> str:
    cure = "write for instance https://omics.example.org, without a login in it"
    parts = web_address(text)
    is_plain = len(text) <= _LONGEST_URL and text.isprintable() and not any(map(str.isspace, text))
    if parts is None or not is_plain or "@" in parts.netloc or parts.query or parts.fragment:
        raise UnfitError("is not an address", cure)
    return text


def _own_endpoint(text: str) -> str:
    if not is_loopback(_shared_endpoint(text)):
        cure = "a manifest may name this machine alone (127.0.0.1): put the lane into a file for --lanes"
        raise UnfitError("is an address of another machine", cure)
    return text


def _shared_queue(text: str) -> QueueName:
    found = queue_in(text)
    if found is None or len(text) > _LONGEST_URL:
        raise UnfitError("is not a queue", f"write a standard queue, such as {SUCH_AS}")
    return found


def _own_queue(text: str) -> QueueName:
    found = _shared_queue(text)
    if found.endpoint is not None and not is_loopback(found.endpoint):
        cure = "a manifest may name AWS's queues and this machine's: put the lane into a file for --lanes"
        raise UnfitError("is a queue of another machine", cure)
    return found


def _settings_place(text: str) -> str:
    try:
        return settings_place(text)
    except ValueError as error:
        raise UnfitError(f"is not a folder in S3: {error}", f"write {A_PLACE}") from error


#: How each key is read. An endpoint or queue on another machine is only allowed in a file for ``--lanes``.
_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "region": _region,
    "profile": _profile,
    "role": _role,
    "external_id": _external_id,
    "account": _account,
    "endpoint_url": _own_endpoint,
    "max_active": _count,
    "account_max_active": _count,
    "rate": _rate,
    "read_rate": _rate,
    "wake": _own_queue,
    "batch_settings": _settings_place,
}
_SHARED_READERS: Final = {**_READERS, "endpoint_url": _shared_endpoint, "wake": _shared_queue}
_ADDRESSES: Final = frozenset({"endpoint_url", "wake"})
KEYS: Final = (*_READERS, SET)


class LaneReader:
    """Reads one lane; what is wrong with it becomes problems."""

    def __init__(self, name: str, record: Record, problems: Problems, *, is_shared: bool) -> None:
        """Read the lane called *name*; *is_shared*: from a file for ``--lanes``, which the user trusts."""
        self._name = name
        self._record = record
        self._problems = problems
        self._readers = _SHARED_READERS if is_shared else _READERS

    def lane(self) -> Lane:
        """Return the lane without the keys that have problems."""
        found: dict[str, Any] = {key: self._read(key, read) for key, read in self._readers.items()}
        lane = Lane(name=self._name, **found)
        self._check_together(lane)
        return lane

    def _read(self, key: str, read: Callable[[str], object]) -> object:
        if key not in self._record.fields:
            return None
        value = self._record.fields[key]
        text = as_text(value)
        if not text:
            self.report(
                key, f"{shown_instead(value)} where text is wanted", "write its text, or leave the key out"
            )
            return None
        try:
            return read(text)
        except UnfitError as error:
            said = _without_login(text) if key in _ADDRESSES else text
            self.report(key, f"{shown(said)} {error.message}", error.cure)
            return None

    def _check_together(self, lane: Lane) -> None:
        match = _ROLE.fullmatch(lane.role or "")
        if lane.external_id is not None and "role" not in self._record.fields:
            self.report("external_id", "there is no role that asks for it", "give role too, or leave it out")
        if match and lane.account is not None and match[1] != lane.account:
            message = f"the role is of account {match[1]}, and account says {lane.account}"
            self.report("role", message, "correct one of the two")

    def report(self, key: str, message: str, cure: str) -> None:
        """Record a problem."""
        field = f"lanes.{self._name}.{key}"
        self._problems.add(self._record.place_of((key,)), message, cure, field=field)


def _without_login(text: str) -> str:
    """Return an address, its scheme forgotten perhaps, without what is before an @: it may be a password."""
    return _LOGIN.sub(r"\1...@", text, count=1)


def written(lane: Lane) -> dict[str, Json]:
    """Return the keys that read as *lane*, without the fields for its rows."""
    return {key: _said(value) for key in _READERS if (value := getattr(lane, key)) is not None}


def _said(value: Rate | QueueName | int | str) -> Json:
    if isinstance(value, Rate):
        return rates.written(value)
    return str(value) if isinstance(value, QueueName) else value


def wrong_lane(name: str) -> tuple[str, str] | None:
    """Return message and cure for a bad lane name; None for a good one."""
    if NAME.fullmatch(name):
        return None
    cure = "use at most 64 letters, digits, '_', '.' and '-', such as east"
    return f"{shown(name)} is not a name of a lane", cure
