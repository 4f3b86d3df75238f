#!/bin/bash
# Refuses a folder for the demo that is not empty, before minutes are spent on the set-up: demo-folder.sh WORDS_OF_DEMO…
set -euo pipefail

folder=
while [ $# -gt 0 ]; do
  case $1 in
  --keep) folder=${2-} ;;
  --keep=*) folder=${1#*=} ;;
  esac
  shift
done
[ -z "$folder" ] || [ -z "$(ls -A "$folder" 2>/dev/null)" ] && exit
echo "cannot keep the demo in $folder: it is not empty; name a new folder" >&2
exit 73
