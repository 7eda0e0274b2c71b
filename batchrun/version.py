"""The version of batchrun: the git tag that it was built from, which the build writes beside this file."""

__all__ = ["__version__"]

try:
    from batchrun._built import __version__
except ModuleNotFoundError:  # a checkout that was never installed
    __version__ = "0.0"
