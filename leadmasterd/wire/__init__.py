"""What the child writes on its stdout: the events, and how a line becomes one."""
