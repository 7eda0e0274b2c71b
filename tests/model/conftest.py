"""
The pure core: its tests reach every branch of it, and none by chance alone.

What only drawn examples reach does not count; nor do long stories that reach nothing new (``no_cover``), for
they take three times as long when they are traced.
"""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests of drawn examples out of what is measured."""
    for item in items:
        if isinstance(item, pytest.Function) and getattr(item.obj, "is_hypothesis_test", False):
            item.add_marker(pytest.mark.no_cover)
