"""The Python API: load a manifest, launch it, follow what happens, read a ledger.

What ``batchrun/__init__`` names is public; everything else may change.
"""
