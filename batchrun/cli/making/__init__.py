"""``batchrun manifest``: makes manifests from a workflow's template, from files, or from other manifests.

``verb`` has the commands; ``new`` writes one to fill in; ``pairs`` lists files, pairs them (``pairing``, by
``name_patterns``) and writes rows or a sheet; ``convert`` writes another format. Rows are written by
``manifest.write``. Nothing else imports this folder.
"""
