"""Statements made from the columns that a row type declares."""

from functools import cache


@cache
def insert(table: str, columns: tuple[str, ...]) -> str:
    """An INSERT of one row with these columns, in this order."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
