"""Who wrote a message: a person of ours, the other party, or a machine. Decided from the message's type and marks.

Pure. Only a message by `operator` answers a customer, so that is an allow-list: a message from our side counts as a
person's only if people are known to send its type and no mark says otherwise. A type that is not known yet is
`system`: from our side it answers nobody, and from the other side, without content, it opens no lead. docs/leads.md
shows this to people.
"""

from collections.abc import Mapping
from typing import Final, Literal

Author = Literal["contact", "operator", "auto_reply", "mailing", "assistant", "api", "system"]
"""`contact`: the other party. Of our side `operator`: a person, from any device; `auto_reply`: greetings and away
messages, found by the projection; `mailing`: a copy of our broadcast list, or a campaign; `assistant`: Meta's business
AI or another bot; `api`: what only a program sends. `system`, of either side: what nobody wrote."""

OURS: Final = frozenset({"operator", "auto_reply"})
"""The two that a message alone does not tell apart: the projection does, by timing and repeated texts."""

SENT_BY_PEOPLE: Final = frozenset(
    {
        "chat", "image", "video", "ptt", "ptv", "audio", "document", "sticker", "sticker-pack", "album", "vcard",
        "multi_vcard", "location", "live_location", "product", "order", "payment", "groups_v4_invite", "event_creation",
        "event_response", "poll_creation", "poll_vote", "comment", "buttons_response", "list_response",
        "template_button_reply", "interactive_response", "newsletter_admin_invite", "newsletter_follower_invite",
        "newsletter_question_response", "request_phone_number", "call_log",
        # A person sent these, although their content did not arrive, is still to come, or was taken back.
        "ciphertext", "oversized", "quarantined", "revoked",
    }
)  # fmt: skip
"""Types of WAWebMsgType (2026-04-27) that a person sends from a phone or another linked device."""

_ALSO_SENT_TO_US: Final = frozenset({"unknown", "hsm", "interactive", "list", "native_flow", "rich_response"})
"""Types that companies' programs send to us, and `unknown`, which this build of WhatsApp Web cannot show."""

NOTICES: Final = frozenset(
    {
        "e2e_notification", "notification", "notification_template", "group_notification", "broadcast_notification",
        "newsletter_notification", "gp2", "protocol", "ciphertext_placeholder", "debug", "debug_placeholder",
        "pin_message", "pinned_message", "keep_in_chat", "poll_update", "reaction", "reaction_enc", "loading_media",
        "biz_content_placeholder", "message_history_notice", "group-history", "history_bundle",
        "status_notification", "guest_upsell_system_msg", "message_edit_encrypted", "event_edit_encrypted",
        "poll_edit_encrypted", "poll_add_option_encrypted", "poll_add_option_decrypted",
    }
)  # fmt: skip
"""Notices about the chat. Nobody wrote them, whatever text they carry. The listener does not report them."""

_GREETING: Final = "automated_greeting_message"
"""The greeting of an ad: the page makes it from the customer's first message (WAWebMsgAGMProcessing)."""

_FLOWS_BY_HAND: Final = frozenset(
    {"order_details", "order_status", "payment_info", "payment_request", "catalog_message", "cta_catalog"}
)
"""Values of the mark `native_flow` in interactive messages that a person sends from a business app
(WAWebBizSendOrderAction). Messages with other values come from the API."""


def author_of(
    *, from_me: bool, message_type: str, marks: Mapping[str, str | bool], has_content: bool
) -> Literal["contact", "operator", "mailing", "assistant", "api", "system"]:
    """The author of a message as it was captured.

    `message_type`: WhatsApp's, such as `chat`. `marks`: what the record shows about its sender, by name (the marks of
    docs/protocol.md). `has_content`: whether there is something to read, see or hear.
    """
    if message_type in NOTICES or message_type == _GREETING or "automated_greeting" in marks:
        return "system"
    if "assistant" in marks:
        return "assistant"
    if not from_me:
        known = message_type in SENT_BY_PEOPLE or message_type in _ALSO_SENT_TO_US
        return "contact" if known or has_content else "system"
    if is_to_many(marks):
        return "mailing"
    if "bot" in marks or message_type == "rich_response":
        return "assistant"
    if "template" in marks or "api" in marks or message_type in ("hsm", "list"):
        return "api"
    if message_type in ("interactive", "native_flow"):
        return "operator" if marks.get("native_flow") in _FLOWS_BY_HAND else "api"
    return "operator" if message_type in SENT_BY_PEOPLE else "system"


def is_to_many(marks: Mapping[str, str | bool]) -> bool:
    """Whether a message of ours went to a broadcast list or came from a campaign: this chat is one of many."""
    return "broadcast" in marks or "campaign" in marks
