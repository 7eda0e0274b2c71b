"""REST-JSON, taken from botocore's own model of the service at run time.

What belongs here: parsing requests, writing answers and refusals, tokens for the next page.
What does not: sockets (``http``) and what an operation does (``service``).
"""

from __future__ import annotations

import enum
import json
import math
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import islice
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl, unquote

from botocore.loaders import create_loader
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape

from batchrun.simulator.refusal import RefusalError, invalid
from batchrun.simulator.shapes import Check, compile_check, compile_write

T = TypeVar("T")

#: Items of a page if a call does not say how many.
_PAGE: Final = 100
#: A signature's credential; the groups are access key, region and service.
_SCOPE: Final = re.compile(r"Credential=([^/,\s]+)/\d+/([\w-]+)/([\w-]+)/aws4_request")
#: Errors that every service has but no model lists; HTTP status by code.
COMMON_ERRORS = {
    "ExpiredTokenException": 403,
    "IncompleteSignatureException": 403,
    "InvalidClientTokenIdException": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "OptInRequired": 403,
    "RequestExpired": 400,
    "UnrecognizedClientException": 403,
    "SerializationException": 400,
    "UnknownOperationException": 404,
    "RequestEntityTooLargeException": 413,
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The unverified claims of a call's signature."""

    access_key: str
    region: str
    service: str


def signature(authorization: str) -> Signature | None:
    """Read the header ``Authorization``; None if the call is not signed."""
    found = _SCOPE.search(authorization)
    if found is None:
        return None
    return Signature(access_key=found[1], region=found[2], service=found[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Manner(enum.Enum):
    """How the reply is sent, and the connection closed."""

    WHOLE = enum.auto()  #: the reply is sent
    SLOW = enum.auto()  #: the reply's body is sent at a byte per second
    CUT = enum.auto()  #: half of the reply's body is sent, then the connection is closed
    CLOSE = enum.auto()  #: closed without a reply
    RESET = enum.auto()  #: reset without a reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a request ends."""

    reply: Reply = field(default=Reply(status=500))
    manner: Manner = Manner.WHOLE


class Operation:
    """One operation of the model: its route, its input and its output."""

    def __init__(self, model: OperationModel) -> None:
        self.name = str(model.name)
        self.method = str(model.http["method"])
        self.status = int(model.http.get("responseCode", 200))
        self.path = tuple(str(model.http["requestUri"]).split("?")[0].strip("/").split("/"))
        asked = model.input_shape or StructureShape(model.name, {"type": "structure", "members": {}})
        self._members: list[tuple[str, Shape]] = list(asked.members.items())
        self._check = compile_check(asked)
        output = model.output_shape
        self._write = compile_write(output) if output is not None else None

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """Return the labels of a path of as many *segments*; None if it is another operation's."""
        labels: dict[str, str] = {}
        for pattern, segment in zip(self.path, segments, strict=True):
            if pattern.startswith("{"):
                labels[pattern.strip("{}+")] = unquote(segment)
            elif pattern != segment:
                return None
        return labels

    def parse(self, labels: Mapping[str, str], query: str, body: bytes) -> dict[str, Any]:
        """Read the members in the model. Raises RefusalError if the body is not a JSON object."""
        asked = parse_qsl(query, keep_blank_values=True)
        told = json_object(body)
        params: dict[str, Any] = {}
        for name, shape in self._members:
            wire_name = shape.serialization.get("name", name)
            match shape.serialization.get("location"):
                case "uri":
                    value: Any = labels[wire_name]
                case "querystring":
                    value = _from_query(shape, [text for key, text in asked if key == wire_name])
                case _:
                    value = told.get(wire_name)
            if value is not None:
                params[name] = value
        return params

    def check(self, params: Mapping[str, Any]) -> None:
        """Check *params* against the model. Raises RefusalError with all that is wrong."""
        _hold(self._check, params)

    def answer(self, values: Mapping[str, Any]) -> Reply:
        """Return the reply of success."""
        # In HTTP a 204 has no body, whatever output the model has.
        if self._write is None or self.status == 204:  # noqa: PLR2004 — No Content
            return Reply(status=self.status)
        return Reply(status=self.status, body=_dump(self._write(values)), headers=_JSON)


class Wire:
    """The operations of HealthOmics by route, and its errors."""

    def __init__(self, operations: Iterable[str]) -> None:
        model = _model()
        self.operations = {name: _operation(model, name) for name in operations}
        self._statuses = COMMON_ERRORS | {
            str(shape.name): int(shape.metadata["error"]["httpStatusCode"])
            for shape in model.error_shapes
            if "error" in shape.metadata
        }

    def route(self, method: str, path: str) -> tuple[Operation, Mapping[str, str]]:
        """Find the operation for *path*, still escaped, and the labels in it.

        Raises RefusalError if there is none.
        """
        segments = tuple(path.lstrip("/").split("/"))
        for operation in self.operations.values():
            if operation.method == method and len(operation.path) == len(segments):
                labels = operation.match(segments)
                if labels is not None:
                    return operation, labels
        message = f"{method} {path[:200]} is not an operation that is simulated"
        raise RefusalError("UnknownOperationException", message)

    def refusal(self, error: RefusalError) -> Reply:
        """Write an error answer."""
        headers = {**_JSON, "x-amzn-ErrorType": error.code}
        if error.retry_after is not None:
            headers["Retry-After"] = str(math.ceil(error.retry_after))
            headers["x-amz-retry-after"] = str(math.ceil(error.retry_after * 1000))
        status = self._statuses.get(error.code, 400)
        return Reply(status=status, body=_dump({"message": error.message}), headers=headers)


def _model() -> ServiceModel:
    return _read(os.environ.get("AWS_DATA_PATH") or None)


@cache
def _read(place: str | None) -> ServiceModel:
    return ServiceModel(create_loader(place).load_service_model("omics", "service-2"), "omics")


@cache
def _operation(model: ServiceModel, name: str) -> Operation:
    return Operation(model.operation_model(name))


@cache
def members_of(shape: str) -> frozenset[str]:
    """Return the members of a structure in HealthOmics' model."""
    found = _model().shape_for(shape)
    return frozenset(found.members) if isinstance(found, StructureShape) else frozenset()


@cache
def shape_check(shape: str) -> Callable[[Mapping[str, Any]], None]:
    """Return a check of values against a shape of HealthOmics' model; it raises RefusalError."""
    return partial(_hold, compile_check(_model().shape_for(shape)))


def _hold(check: Check, value: Mapping[str, Any]) -> None:
    problems: list[str] = []
    check(value, "", problems)
    if problems:
        errors = "error" if len(problems) == 1 else "errors"
        raise invalid(f"{len(problems)} validation {errors} detected: {'; '.join(problems)}")


_JSON = {"Content-Type": "application/json"}


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number


def json_reply(value: object, status: int = 200) -> Reply:
    """Return a reply with *value* as JSON."""
    return Reply(status=status, body=_dump(value), headers=_JSON)


def json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; an empty body is an empty object. Raises RefusalError for anything else."""
    value = _loaded(body) if body else {}
    if not isinstance(value, dict):
        raise RefusalError("SerializationException", "the body is not a JSON object")
    return value


def json_array(content: bytes) -> list[Any]:
    """Read a JSON array. Raises RefusalError for anything else."""
    value = _loaded(content)
    if not isinstance(value, list):
        raise RefusalError("SerializationException", "the content is not a JSON array")
    return value


def _loaded(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise RefusalError("SerializationException", f"the body is not JSON: {reason}") from error


def _from_query(shape: Shape, texts: list[str]) -> Any:
    if not texts:
        return None
    if isinstance(shape, ListShape):
        return texts
    text = texts[-1]
    if shape.type_name in ("integer", "long"):
        # What is not a number stays text, and the check refuses it.
        return int(text) if text.removeprefix("-").isdecimal() and len(text) < 20 else text  # noqa: PLR2004
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def token_of(position: int) -> str:
    """Return the token of the page after *position*, in an order that does not change."""
    return urlsafe_b64encode(json.dumps([position]).encode()).decode()


def position_in(params: Mapping[str, Any]) -> int | None:
    """Return the position in a call's token; None without one. Raises RefusalError if it is invalid."""
    if "startingToken" not in params:
        return None
    try:
        (position,) = json.loads(urlsafe_b64decode(params["startingToken"].encode()))
        return int(position)
    except (ValueError, TypeError) as error:
        raise invalid("startingToken is not one that was handed out") from error


def page_of(
    found: Iterable[T], params: Mapping[str, Any], place: Callable[[T], int]
) -> tuple[list[T], str | None]:
    """Return the page of *found* that a call asks for, and the next page's token, made by *place*."""
    size = params.get("maxResults") or params.get("maxItems") or _PAGE
    # One more than asked for shows whether there is another page.
    page = list(islice(found, size + 1))
    return page[:size], token_of(place(page[size - 1])) if len(page) > size else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """An HTTP request that was read."""

    method: str
    path: str  #: as it was sent, still escaped
    query: str  #: as it was sent, still escaped
    body: bytes
    content_type: str
    target: str = ""  #: the operation, if the service has it in a header
    authorization: str = ""  #: the signature, with the service and region
    headers: Mapping[str, str] = field(default_factory=dict)  #: all of them, by lower-case name

    @property
    def signature(self) -> Signature | None:
        """Its signature: access key, region and service; None if unsigned."""
        return signature(self.authorization)
