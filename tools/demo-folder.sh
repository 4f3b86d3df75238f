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
[ -d "$folder" ] && [ -n "$(ls -A "$folder")" ] || exit 0
case ${LC_ALL:-${LC_MESSAGES:-${LANG-}}} in
es*) echo "no se puede guardar la demo en $folder: no está vacía; elegí una carpeta nueva" >&2 ;;
*) echo "cannot keep the demo in $folder: it is not empty; name a new folder" >&2 ;;
esac
exit 73
