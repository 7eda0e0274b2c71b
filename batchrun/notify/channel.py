"""The ways out, and what goes through them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchrun.model.notices import Notice
    from batchrun.model.spec import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One notice, for people and for programs."""

    notice: Notice
    batch: str
    title: str  #: one line
    text: str  #: the title, and what there is to know and to do
    summary: Mapping[str, Json]  #: what programs rely on; holds no secret

    @property
    def as_json(self) -> str:
        """The summary as one line of JSON, in ASCII."""
        return json.dumps(self.summary)


class Channel(ABC):
    """One way to send notices."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What logs call it; holds no secret."""

    def takes(self, notice: Notice) -> bool:  # noqa: ARG002 (a channel may be choosy)
        """Report whether *notice* goes this way."""
        return True

    @abstractmethod
    async def deliver(self, message: Message) -> None:
        """Deliver, or raise NoticeError, which says what to do; a cancelled call leaves nothing behind."""
