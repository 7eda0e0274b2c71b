"""
The forms in which a webhook takes a notice: our own JSON, Slack's blocks, an Adaptive Card for Teams.

What the batch's text holds is others' text: nothing in it may become a link, a mention or a format.
"""

from __future__ import annotations

import enum
import json
from typing import TYPE_CHECKING, Final

from batchrun.model.foreign import shortened

if TYPE_CHECKING:
    from batchrun.model.spec import Json
    from batchrun.notify.channel import Message

#: Characters that Slack takes in a header, and in a text.
_SLACK_HEADER: Final = 150
_SLACK_TEXT: Final = 3000
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LONGEST_ENTITY: Final = 5
#: Lines of a card, and characters of one: Teams takes 28 KB.
_CARD_LINES: Final = 60
_CARD_LINE: Final = 250


class Form(enum.Enum):
    """How a webhook is told."""

    JSON = "json"  #: the summary, as commands get it
    SLACK = "slack"
    TEAMS = "teams"

    def body(self, message: Message) -> str:
        """Return what is posted, in ASCII."""
        match self:
            case Form.JSON:
                return message.as_json
            case Form.SLACK:
                return json.dumps(_slack(message))
            case Form.TEAMS:
                return json.dumps(_teams(message))


def _slack(message: Message) -> dict[str, Json]:
    """Return a message of blocks, with a text for where blocks are not shown."""
    title, more = _parted(message)
    head: dict[str, Json] = {"type": "plain_text", "text": shortened(title, _SLACK_HEADER), "emoji": False}
    blocks: list[Json] = [{"type": "header", "text": head}]
    if more:
        told: dict[str, Json] = {"type": "plain_text", "text": _escaped(more), "emoji": False}
        blocks.append({"type": "section", "text": told})
    return {"text": _escaped(title), "mrkdwn": False, "blocks": blocks}


def _escaped(text: str) -> str:
    """Escape what Slack would take for a link or a mention, and keep to what it takes."""
    told = ""
    for most in (_SLACK_TEXT, _SLACK_TEXT // _LONGEST_ENTITY):
        told = shortened(text, most)
        for character, entity in _ENTITIES.items():
            told = told.replace(character, entity)
        if len(told) <= _SLACK_TEXT:
            break
    return told


def _teams(message: Message) -> dict[str, Json]:
    """Return a card for a webhook of Teams' Workflows; runs of text, unlike blocks, are no Markdown."""
    title, more = _parted(message)
    lines = [line for line in more.splitlines() if line.strip()]
    if lines[_CARD_LINES:]:
        lines = [*lines[:_CARD_LINES], "..."]
    body: list[Json] = [
        _line(title, weight="Bolder", size="Medium"),
        *(_line(line) for line in lines),
    ]
    card: dict[str, Json] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _line(text: str, **looks: str) -> dict[str, Json]:
    run: dict[str, Json] = {"type": "TextRun", "text": shortened(text, _CARD_LINE), **looks}
    return {"type": "RichTextBlock", "inlines": [run]}


def _parted(message: Message) -> tuple[str, str]:
    """Return the title, and what the text says beside it."""
    return message.title, message.text.removeprefix(message.title).strip("\n")
