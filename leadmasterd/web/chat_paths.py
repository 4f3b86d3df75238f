"""The path of a conversation's page, below which stands what is decided about it."""

from typing import Final

from starlette.convertors import Convertor, register_url_convertor


class _Chat(Convertor[int]):
    """A conversation's number, as the database can have it: any longer one is no page."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("chat", _Chat())
CHAT: Final = "/chats/{id:chat}"
