"""The ``batchrun`` command, also as ``python -m batchrun``."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # to import it would be before what can be interrupted in good order
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process with its exit code, even if stopped while it is imported."""
    try:
        from batchrun.cli.main import main as run  # noqa: PLC0415 (what can be interrupted)

        run()
    except KeyboardInterrupt:
        try:
            sys.stderr.write("\nstopped; nothing is lost\n")
        finally:  # at once, since a second signal may come any time
            os._exit(3)  # Exit.WORK_LEFT, which may not have been imported


if __name__ == "__main__":
    main()
