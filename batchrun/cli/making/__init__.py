"""
``batchrun manifest``: manifests made of a workflow's template, of files that belong together, of others.

``verb`` has the options; ``new`` writes one to fill in; ``pairs`` lists files, pairs them (``pairing``, by
``name_patterns``) and writes rows or a sheet; ``convert`` reads and writes again. How
rows are written is ``manifest.write``'s. Nothing else imports this folder.
"""
