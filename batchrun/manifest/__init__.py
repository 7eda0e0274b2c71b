"""Manifests: read, expanded and checked, with all problems at once.

    with load(Source(path="cohort.yaml")) as manifest:
        for spec in manifest.specs():
            ...

How a manifest flows: ``source`` and ``text_input`` give text within limits; ``tables``,
``json_document`` and ``yaml_document`` make rows of it, with their places; ``cells``, ``document`` and
``native`` know the shapes; ``defaults`` and ``placeholders`` fill in; ``model_check`` and ``rules`` check;
``rows`` puts these together for one row, ``load`` for the whole, ``folder`` for several; ``spool`` keeps the
result.
"""

from __future__ import annotations

from batchrun.manifest.folder import contents_of, loaded_together
from batchrun.manifest.load import Manifest, load
from batchrun.manifest.source import Format, Source

__all__ = ["Format", "Manifest", "Source", "contents_of", "load", "loaded_together"]
