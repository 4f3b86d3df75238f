"""When the disk will be full, from what the daemon measured."""

from collections.abc import Mapping

from leadmasterd.store.growth import DatabaseSize, days_until_full


def full_in_days(resources: Mapping[str, int]) -> int | None:
    """In how many days the disk will be full as the database grows now. None: not known, or never.

    `resources`: the section of `status.json`; keys that are missing from it count as 0 bytes, a missing growth as
    unknown.
    """
    unused = resources.get("database_unused_bytes", 0)
    used = resources.get("database_bytes", 0) - unused
    size = DatabaseSize(used, unused, resources.get("database_growth_bytes"))
    return days_until_full(size, resources.get("disk_free_bytes", 0))
