"""What Slack and Teams are posted: their own shapes, within what they take, and nothing that acts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from batchrun.clock import VirtualClock
from batchrun.notify.webhook import Form, Webhook
from tests.notify.samples import message, serving
from tests.notify.test_webhook import Hooks

HOSTILE = "<!channel> <https://evil.example|your login> & *bold* [a](https://evil.example) `x`"
TOLD = replace(message(), title="cohort has ended", text=f"cohort has ended\n\n{HOSTILE}\nresults: r.csv\n")


def body(form: Form, text: str = TOLD.text) -> Any:
    made = form.body(replace(TOLD, text=text))
    assert made.isascii()
    return json.loads(made)


def test_our_own_form_is_the_summary():
    assert body(Form.JSON) == TOLD.summary


def test_slack_gets_blocks_in_which_nothing_is_a_mention_or_a_link():
    told = body(Form.SLACK)
    head, section = told["blocks"]
    assert (told["text"], told["mrkdwn"]) == ("cohort has ended", False)
    assert head == {"type": "header", "text": {"type": "plain_text", "text": TOLD.title, "emoji": False}}
    assert section["text"]["type"] == "plain_text"
    assert section["text"]["text"].startswith(
        "&lt;!channel&gt; &lt;https://evil.example|your login&gt; &amp;"
    )
    assert len(body(Form.SLACK, TOLD.title)["blocks"]) == 1


@pytest.mark.parametrize("letter", ["x", "&", "<"])
def test_slack_gets_no_more_than_it_takes(letter: str):
    (_, section) = body(Form.SLACK, f"{TOLD.title}\n{letter * 9000}")["blocks"]
    assert 500 < len(section["text"]["text"]) <= 3000


def test_teams_gets_a_card_of_runs_of_text_which_are_no_markdown():
    told = body(Form.TEAMS)
    (attachment,) = told["attachments"]
    assert told["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert [block["inlines"][0]["text"] for block in card["body"]] == [TOLD.title, HOSTILE, "results: r.csv"]
    large = Form.TEAMS.body(replace(TOLD, text="x" * 4000 + "\n" + "y" * 400 + "\nz" * 400))
    assert len(large) < 28_000
    assert json.loads(large)["attachments"][0]["content"]["body"][-1]["inlines"][0]["text"] == "..."


async def test_a_webhook_posts_the_form_that_it_was_made_with():
    hooks = Hooks(202)
    async with serving(hooks) as url:
        await Webhook(url, clock=VirtualClock(), form=Form.TEAMS).deliver(TOLD)
    assert [posted for _, posted in hooks.taken] == [body(Form.TEAMS)]
