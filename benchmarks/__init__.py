"""Speed, where possible as a ratio to the raw limit in the same run. `make bench` prints a table; no test is timed."""
