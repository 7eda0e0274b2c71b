"""The command line, a thin layer over :mod:`batchrun.api`.

``verbs`` has a file for each verb, ``launching`` what surrounds a launch, ``showing`` the output,
``settings`` the file with defaults; ``main`` finds verbs and ends the process.
"""
