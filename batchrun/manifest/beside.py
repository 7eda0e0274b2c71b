"""
The files that a manifest may name: in its own folder, or below it; or any place in S3.

A manifest may come from somebody else, and its errors quote what was read. What may be read in S3 is for
S3 to say, which knows who asks; on this machine all is the user's.

Belongs here: that decision, and the path that a name means. Does not: opening it (``source``), what it holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchrun.manifest.problems import shown, unreadable
from batchrun.manifest.source import STDIN
from batchrun.model.places import is_in_s3, wrong_place

if TYPE_CHECKING:
    from batchrun.errors import ManifestError
    from batchrun.manifest.problems import Place

CURE: Final = "name a CSV, TSV or JSONL file in the manifest's own folder, or below it"
_UPWARDS: Final = frozenset({"", ".."})


def file_beside(manifest: str, name: str, place: Place, field: str) -> tuple[str, str]:
    """
    Return the path or URI that *name* means in a manifest, and what messages call it.

    Args:
        manifest: The path of the manifest, its URI, or ``-``, which lies in the working directory.
        name: What it names.
        place: Where it does.
        field: The key under which it does.

    Raises:
        ManifestError: It may not name this one.
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
    """Find a file beside a manifest that lies in S3; none on this machine is."""
    parts = [part for part in name.split("/") if part != "."]
    if not _UPWARDS.isdisjoint(parts):
        raise _outside(name, place, field, "write the whole of it: s3://BUCKET/KEY")
    return "/".join([manifest.rpartition("/")[0], *parts])


def _inside(folder: Path, name: str, place: Place, field: str) -> Path:
    try:
        base = folder.resolve()
        path = (base / name).resolve()
        is_inside = path.is_relative_to(base)
        is_strange = path.exists() and not path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise unreadable(place, f"{shown(name)} is no usable path", CURE, field=field) from error
    if not is_inside:
        raise _outside(name, place, field, f"{CURE} (copy it there; a link does not do)")
    if is_strange:
        raise unreadable(place, f"{shown(name)} is not a regular file", CURE, field=field)
    return path


def _outside(name: str, place: Place, field: str, cure: str) -> ManifestError:
    return unreadable(place, f"{shown(name)} is outside the manifest's folder", cure, field=field)
