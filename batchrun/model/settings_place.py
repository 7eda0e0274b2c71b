"""Where the rows of a large submission are kept for the service to read: a folder in S3."""

from __future__ import annotations

from typing import Final

from batchrun.model.places import wrong_place

#: How such a place is written.
SUCH_AS: Final = "s3://BUCKET/PREFIX/"
_FILE: Final = f"{'0' * 64}.json"
#: Characters of ``s3UriSettings`` (service model of botocore 1.43.117).
_LONGEST: Final = 750


def settings_place(text: str) -> str:
    """
    Return the place that *text* names, with the slash at its end that may be left out.

    Raises:
        ValueError: It is none; says why.
    """
    prefix = text if text.endswith("/") else f"{text}/"
    wrong = wrong_place(prefix + _FILE)
    if wrong is not None:
        raise ValueError(wrong[0])
    if "{" in text or "}" in text:
        raise ValueError("nothing is filled in here: each file is named by what is in it")
    if len(prefix) + len(_FILE) > _LONGEST:
        raise ValueError(f"it is too long: {_LONGEST - len(_FILE)} characters at most")
    return prefix
