"""``python -m batchrun`` is the ``batchrun`` command."""

from batchrun.cli.main import main

if __name__ == "__main__":
    main()
