"""When the disk will be full, from what the daemon measured."""

from collections.abc import Mapping

from leadmasterd.store.growth import DatabaseSize, days_until_full


def full_in_days(resources: Mapping[str, int]) -> int | None:
    """`resources` of `status.json`. None: not known, or never."""
    unused = resources.get("database_unused_bytes", 0)
    used = resources.get("database_bytes", 0) - unused
    return days_until_full(
        DatabaseSize(used, unused, resources.get("database_growth_bytes")), resources.get("disk_free_bytes", 0)
    )
