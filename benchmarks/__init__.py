"""Speed, as ratios against the raw limit in the same run. `make bench` prints a table; nothing here is a test."""
