"""A program that knows nothing but the events, and what it then believes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Hearer:
    """What the tables should hold, from the events alone."""

    messages: dict[int, int] = field(default_factory=dict)
    """Each with its conversation."""
    waiting: set[int] = field(default_factory=set)
    stages: dict[int, str] = field(default_factory=dict)

    def hear(self, kind: str, data: Mapping[str, Any]) -> None:
        """Believe it."""
        match kind:
            case "message.stored":
                self.messages[data["message_id"]] = data["conversation_id"]
            case "message.merged":
                del self.messages[data["merged_id"]]
            case "conversation.merged":
                for message, conversation in self.messages.items():
                    if conversation == data["merged_id"]:
                        self.messages[message] = data["conversation_id"]
            case "waiting.began":
                self.waiting.add(data["cycle_id"])
            case "waiting.ended" | "waiting.withdrawn":
                self.waiting.discard(data["cycle_id"])
            case "lead.withdrawn":
                del self.stages[data["lead_id"]]
            case "lead.opened" | "lead.stage" | "lead.reopened" | "lead.merged":
                self.stages[data["lead_id"]] = data["after"]
            case _:
                pass
