#!/bin/sh
# Dies, and leaves an orphan that holds its stdout open.
sleep 1000 &
echo "orphan $!"
exit 7
