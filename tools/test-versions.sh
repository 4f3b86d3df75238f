#!/bin/bash
# Runs the tests on every version that this program is to live on; `make test-versions` calls it once the set-up is done.
#
#   tools/test-versions.sh                all of them
#   tools/test-versions.sh node 22        one of Node 20, 22 and 24: all tests of Node
#   tools/test-versions.sh python 3.13    one of Python 3.11, 3.12 and 3.13: the tests that need no browser and no systemd
#
# Each Node comes from npm, as its package `node`. A Python is looked for on PATH and among pyenv's; `uv python install 3.13`
# brings one to PATH. What is not found is left out, and said. What was installed stays in .setup for the next time.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
root=$PWD
outcomes=() failed=0

outcome() { outcomes+=("$*"); }

on_node() { # VERSION
  local folder=$root/.setup/nodes/$1 said
  if ! [ -x "$folder/node_modules/.bin/node" ] &&
    ! npm install --no-audit --no-fund --loglevel=error --prefix "$folder" "node@$1" >&2; then
    outcome "Node $1: left out, npm did not bring it"
    return
  fi
  said=$("$folder/node_modules/.bin/node" --version)
  echo "-- Node $said" >&2
  if PATH=$folder/node_modules/.bin:$PATH npm --prefix node_listener run --silent test >&2; then
    outcome "Node $said: passed"
  else
    outcome "Node $said: FAILED"
    failed=1
  fi
}

python_of() { # VERSION: its path
  local path
  for path in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    # One of pyenv's shims is on PATH even where it runs nothing.
    "$path" -c 'import ensurepip' 2>/dev/null && command -v "$path" && return
  done
  return 1
}

on_python() { # VERSION
  local python folder=$root/.setup/pythons/$1 said
  if ! python=$(python_of "$1"); then
    outcome "Python $1: left out, there is none on PATH or among pyenv's"
    return
  fi
  if ! "$folder/bin/python" -c 'import leadmasterd, pytest' 2>/dev/null &&
    ! { "$python" -m venv --clear "$folder" &&
      "$folder/bin/python" -m pip install --quiet --require-hashes -r requirements-dev.lock &&
      "$folder/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .; } >&2; then
    outcome "Python $1: FAILED, its packages cannot be installed"
    failed=1
    return
  fi
  said=$("$folder/bin/python" --version)
  echo "-- $said" >&2
  if "$folder/bin/python" -m pytest -q -n "$(nproc)" --dist worksteal -p no:cacheprovider -m "not e2e and not systemd" >&2; then
    outcome "$said: passed"
  else
    outcome "$said: FAILED"
    failed=1
  fi
}

unset PYTHONDONTWRITEBYTECODE
case ${1-} in
  node) on_node "$2" ;;
  python) on_python "$2" ;;
  '')
    for version in 20 22 24; do on_node "$version"; done
    for version in 3.11 3.12 3.13; do on_python "$version"; done
    ;;
  *) sed -n '4,6s/^# *//p' "$0" >&2; exit 64 ;;
esac
printf -- '-- %s\n' "${outcomes[@]}"
exit "$failed"
