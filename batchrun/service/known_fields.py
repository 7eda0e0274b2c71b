"""What the installed botocore would leave out of a request without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrun.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from types_aiobotocore_omics import OmicsClient

    from batchrun.model.spec import Json


def check_known(client: OmicsClient, operation: str, request: Mapping[str, Json]) -> None:
    """
    Refuse what is not known: a row may come from a newer one's manifest.

    Raises:
        RefusedError: A field is not known, at any depth but within what may be anything.
    """
    model: Any = client.meta.service_model.operation_model(operation)
    if unknown := sorted(set(_unknown(model.input_shape, request))):
        raise RefusedError(
            f"the installed botocore does not know {', '.join(unknown)}; add a newer model with "
            "AWS_DATA_PATH, as 'batchrun help manifest' shows",
            operation=operation,
            code="UnknownField",
        )


def _unknown(shape: Any, value: object) -> Iterator[str]:
    """Go through the names in *value* that its structure does not have."""
    if shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from _unknown(shape.member, item)
    if shape.type_name != "structure" or shape.is_document_type or not isinstance(value, dict):
        return
    yield from value.keys() - shape.members.keys()
    for name in value.keys() & shape.members.keys():
        yield from _unknown(shape.members[name], value[name])
