"""
The Python API: load a manifest, launch it, follow what happens, read a ledger.

What ``batchrun/__init__`` names is public; everything else may change. Belongs here: the order in which
ledger, service, lease and engine are opened and closed, for programs and the command line alike. Does not:
options, signals, exit codes and talk (``cli``), what happens between opening and closing (``engine``).
"""
