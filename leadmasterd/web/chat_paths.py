"""The path of a conversation's page, and the URL converter that it needs. Decisions about it are posted below it."""

from typing import Final

from starlette.convertors import Convertor, register_url_convertor


class _Chat(Convertor[int]):
    """A conversation's id in a path: a number that SQLite can hold. A longer one matches no page, so it is a 404."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("chat", _Chat())
CHAT: Final = "/chats/{id:chat}"
