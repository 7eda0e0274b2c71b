"""Which files a manifest may name.

They are files in or below its own folder, since a manifest may come from somebody else and its errors quote
what was read; and any place in S3, which decides by itself who may read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from batchrun.errors import ManifestError
from batchrun.manifest.problems import Place, shown, unreadable
from batchrun.manifest.source import STDIN
from batchrun.model.texts.places import is_in_s3, wrong_place

CURE_BESIDE: Final = "name a CSV, TSV or JSONL file in the manifest's own folder, or below it"
_UPWARDS: Final = frozenset({"", ".."})


def file_beside(manifest: str, name: str, place: Place, field: str) -> tuple[str, str]:
    """Return the path or URI that *name* stands for in a manifest, and what messages call it.

    The manifest is given by its path, its URI, or ``-``, which counts as in the working directory; it names
    the file at *place*, under the key *field*.

    Raises:
        ManifestError: It may not name this file.
    """
    if is_in_s3(name):
        if wrong := wrong_place(name):
            raise unreadable(place, f"{shown(name)}: {wrong[0]}", wrong[1], field=field)
        return name, name
    if is_in_s3(manifest):
        uri = _in_s3(manifest, name, place, field)
        return uri, uri
    folder = Path() if manifest == STDIN else Path(manifest).parent
    return str(_inside(folder, name, place, field)), str(folder / name)


def _in_s3(manifest: str, name: str, place: Place, field: str) -> str:
    """Return the URI of a file that a manifest in S3 names; it may not name local files."""
    parts = [part for part in name.split("/") if part != "."]
    if not _UPWARDS.isdisjoint(parts):
        raise _outside(name, place, field, "write it in full: s3://BUCKET/KEY")
    return "/".join([manifest.rpartition("/")[0], *parts])


def _inside(folder: Path, name: str, place: Place, field: str) -> Path:
    try:
        base = folder.resolve()
        path = (base / name).resolve()
        is_inside = path.is_relative_to(base)
        is_strange = path.exists() and not path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise unreadable(place, f"{shown(name)} is not a usable path", CURE_BESIDE, field=field) from error
    if not is_inside:
        raise _outside(name, place, field, f"{CURE_BESIDE} (copy it there; a link does not do)")
    if is_strange:
        raise unreadable(place, f"{shown(name)} is not a regular file", CURE_BESIDE, field=field)
    return path


def _outside(name: str, place: Place, field: str, cure: str) -> ManifestError:
    return unreadable(place, f"{shown(name)} is outside the manifest's folder", cure, field=field)
