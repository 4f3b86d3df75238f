"""Who speaks: a person of ours, the other party, or a machine. Decided from a message's type and marks.

Pure. Only `operator` is an answer, and so it is an allow-list: what comes from our side counts as a person's only if
its type is known for that and no mark says otherwise. A type that nobody knows yet is `system`: it answers nothing,
and opens nothing when it comes from the other side without anything to read. docs/leads.md shows this to people.
"""

from collections.abc import Mapping
from typing import Final, Literal

Author = Literal["contact", "operator", "auto_reply", "mailing", "assistant", "api", "system"]
"""`contact`: the other party. Of our side `operator`: a person, from any device; `auto_reply`: greetings and away
messages, found by the projection; `mailing`: a copy of our broadcast list, or a campaign; `assistant`: Meta's business
AI or another bot; `api`: what only a program sends. `system`, of either side: what nobody wrote."""

OURS: Final = frozenset({"operator", "auto_reply"})
"""What the projection tells apart by time and sameness; the others are certain."""

SENT_BY_PEOPLE: Final = frozenset(
    {
        "chat", "image", "video", "ptt", "ptv", "audio", "document", "sticker", "sticker-pack", "album", "vcard",
        "multi_vcard", "location", "live_location", "product", "order", "payment", "groups_v4_invite", "event_creation",
        "event_response", "poll_creation", "poll_vote", "comment", "buttons_response", "list_response",
        "template_button_reply", "interactive_response", "newsletter_admin_invite", "newsletter_follower_invite",
        "newsletter_question_response", "request_phone_number", "call_log",
        # Somebody sent these, although their content is not here, or not yet, or not any more.
        "ciphertext", "oversized", "quarantined", "revoked",
    }
)  # fmt: skip
"""Types of WAWebMsgType (2026-04-27) that a person sends from a phone or another linked device."""

_ALSO_SENT_TO_US: Final = frozenset({"unknown", "hsm", "interactive", "list", "native_flow", "rich_response"})
"""What a company's program sends, and `unknown`, which this build of WhatsApp Web cannot show."""

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
"""About the chat, and nobody wrote them, whatever text they carry. The listener leaves them out."""

_GREETING: Final = "automated_greeting_message"
"""The greeting of an ad: the page makes it from the customer's first message (WAWebMsgAGMProcessing)."""

_FLOWS_BY_HAND: Final = frozenset(
    {"order_details", "order_status", "payment_info", "payment_request", "catalog_message", "cta_catalog"}
)
"""Interactive messages that the business apps make for a person (WAWebBizSendOrderAction). The others are the API's."""


def author_of(
    *, from_me: bool, message_type: str, marks: Mapping[str, str | bool], has_content: bool
) -> Literal["contact", "operator", "mailing", "assistant", "api", "system"]:
    """The author of a message as it was captured. `has_content`: there is something to read, see or hear."""
    if message_type in NOTICES or message_type == _GREETING or "automated_greeting" in marks:
        return "system"
    if "assistant" in marks:
        return "assistant"
    if not from_me:
        sent = message_type in SENT_BY_PEOPLE or message_type in _ALSO_SENT_TO_US
        return "contact" if sent or has_content else "system"
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
    """Whether it was sent to a broadcast list or by a campaign, and to this chat only as one of many."""
    return "broadcast" in marks or "campaign" in marks
