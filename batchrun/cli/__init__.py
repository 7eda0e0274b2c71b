"""
The command line: a thin user of :mod:`batchrun.api`.

``verbs`` has a file for each verb, ``launching`` what goes on around a launch, ``showing`` how things look,
``settings`` the file with defaults; ``main`` finds verbs and ends the process.
"""
