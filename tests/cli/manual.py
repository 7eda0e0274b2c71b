"""The README and the topics of ``batchrun help``, as text, and the examples in them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchrun.cli.verbs.help import TOPICS
from tests.cli.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
HELP = ROOT / "batchrun" / "help"
TOPIC = {name: (HELP / f"{name}.md").read_text(encoding="utf-8") for name in TOPICS}
#: The whole manual, by where it stands.
PAGES = {"README.md": README, **TOPIC}


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Return each command of a console block with the lines that it is shown to print."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.strip().splitlines()
        yield command.split("  #")[0].strip(), shown
