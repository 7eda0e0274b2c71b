"""The ``batchrun`` command, also as ``python -m batchrun``."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process with its exit code, even if stopped while it is imported."""
    try:
        from batchrun.cli.main import main as run  # noqa: PLC0415 (what can be interrupted)

        run()
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; nothing is lost\n")
        sys.exit(3)  # Exit.WORK_LEFT, which may not have been imported


if __name__ == "__main__":
    main()
