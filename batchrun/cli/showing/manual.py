"""
The manual on a terminal: Markdown laid out, its code whole.

Only for terminals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.console import Console
from rich.markdown import CodeBlock, Markdown, MarkdownElement
from rich.syntax import Syntax
from rich.theme import Theme

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderResult

#: Code in rich's own style stands on black, whatever the terminal's colour is.
_PLAIN: Final = Theme({"markdown.code": "bold cyan", "markdown.code_block": "cyan"})
_CODE_THEME: Final = "ansi_dark"


class _WholeCode(CodeBlock):
    """Code as it is: a line that is broken, or cut, can be copied no more."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = Syntax("", self.lexer_name, theme=_CODE_THEME).highlight(str(self.text).rstrip())
        code.rstrip()
        code.no_wrap, code.overflow = True, "ignore"
        yield code


class _Manual(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "fence": _WholeCode,
        "code_block": _WholeCode,
    }


def laid_out(markdown: str, width: int) -> str:
    """Lay *markdown* out for a terminal; text fits *width*, and code is as wide as it is."""
    console = Console(force_terminal=True, width=width, theme=_PLAIN)
    with console.capture() as captured:
        console.print(_Manual(markdown, code_theme=_CODE_THEME), crop=False)
    return captured.get()
