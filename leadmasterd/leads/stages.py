"""The stages of a lead, as stored; `sentences` has their words for people."""

from typing import Final

OPEN: Final = ("unsorted", "new", "contacted", "qualified", "quoted")
CLOSED: Final = ("won", "lost", "junk", "dormant")
DECIDABLE: Final = (*OPEN, *CLOSED)
"""What a person may choose. One more stage, `merged`, is only set when two contacts turn out to be one."""
DISMISSED: Final = "dismissed"
"""Stored in place of a stage for a decision that what waits needs no answer. The lead stays as it is."""
