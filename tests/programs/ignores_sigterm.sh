#!/bin/sh
# Hears neither `stop` nor SIGTERM; only SIGKILL ends it.
trap '' TERM INT HUP
echo ready
while :; do sleep 1000; done
