#!/bin/sh
# Doesn't hear `stop`, but leaves on SIGTERM, after a last line.
trap 'echo last; kill $!; exit 0' TERM
echo ready
sleep 1000 &
wait
