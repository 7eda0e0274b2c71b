"""Telling people and programs that do not watch: a command, an HTTPS webhook, an SNS topic."""

from batchrun.notify.channel import Channel, Message
from batchrun.notify.command import Command
from batchrun.notify.teller import Digests, Teller
from batchrun.notify.topic import Topic
from batchrun.notify.webhook import Form, Webhook

__all__ = ["Channel", "Command", "Digests", "Form", "Message", "Teller", "Topic", "Webhook"]
