"""
What a file is that holds a manifest, or what all of its rows share, once it is written.

Belongs here: that. Does not: where it goes (``output_file``), the formats (``manifest``).
"""

from __future__ import annotations

from batchrun.manifest.source import Format, endings_of
from batchrun.report.outputs import Kind


def manifest_kind(form: Format) -> Kind:
    """Say how the name of a manifest in this format ends; one that is there is only replaced by force."""
    return Kind(what=f"a manifest in {form.value.upper()}", endings=endings_of(form))


def defaults_kind(form: Format) -> Kind:
    """Say the same of a file for --defaults."""
    return Kind(what=f"defaults in {form.value.upper()}", endings=endings_of(form))
