"""The Node child as the daemon sees it: a process, its lines, and the end of its whole tree."""
