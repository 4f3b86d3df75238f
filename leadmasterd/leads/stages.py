"""The stages of a lead. Pure values; the ids are stored, people read the words of `sentences`."""

from typing import Final

OPEN: Final = ("unsorted", "new", "contacted", "qualified", "quoted")
CLOSED: Final = ("won", "lost", "junk", "dormant")
DECIDABLE: Final = (*OPEN, *CLOSED)
"""What a person may choose. `merged` happens when two contacts become one."""
