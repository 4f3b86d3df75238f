"""The stages of a lead, as stored; `sentences` has their words for people."""

from typing import Final

OPEN: Final = ("unsorted", "new", "contacted", "qualified", "quoted")
CLOSED: Final = ("won", "lost", "junk", "dormant")
DECIDABLE: Final = (*OPEN, *CLOSED)
"""What a person may choose. `merged` is set when two contacts turn out to be one."""
DISMISSED: Final = "dismissed"
"""A decision in place of a stage: what waits needs no answer. The lead stays as it is."""
