#!/bin/bash
# Runs the tests; `make test`, `make test-fast` and `make test-deep` call it once the set-up is done.
#
#   tools/test.sh all   [PYTEST ARGUMENTS]   everything that guards a change, from fixed seeds
#   tools/test.sh fast  [PYTEST ARGUMENTS]   without browser and systemd, for daily work
#   tools/test.sh deep  [PYTEST ARGUMENTS]   fresh seeds, at least 2,000 examples of each property, the big storm
#   tools/test.sh other [PYTEST ARGUMENTS]   what runs in a browser, in Chromium instead of its headless shell
#
# TEST_BROWSER=NAME (or a path) makes any of them use that browser; else they use the one that the daemon takes by itself.
#
# The Node tests run beside the Python ones, since both often wait; their output is printed when both have ended. Exit
# status 0 only if all of both passed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

# A test with a browser waits for half of its time. These workers and as many of Node (package.json) keep the cores busy
# until both end, at about the same time.
workers=$(($(nproc) + 2)) npm_script=test chosen=()
case ${1-} in
  all) ;;
  fast) npm_script=test:fast chosen=(-m "not e2e and not systemd") ;;
  deep) export TEST_DEPTH=deep; chosen=(--timeout 0) ;;
  other) export TEST_BROWSER=${TEST_BROWSER:-chromium} npm_script=test:browser chosen=(-m e2e) ;;
  *) sed -n '4,7s/^# *//p' "$0" >&2; exit 64 ;;
esac
shift

# The tests start hundreds of Python programs; without bytecode each would compile all of it again.
unset PYTHONDONTWRITEBYTECODE

# Hundreds of browsers write a profile each: in memory that takes a fifth less processor time than on a disk. It needs
# root, and room. TMPDIR=FOLDER make test uses that folder, and keeps there what pytest keeps of a run.
work=$(mktemp -d /tmp/lm.XXXX) || exit
trap 'umount -l "$work" 2>/dev/null; rm -rf "$work"' EXIT
free_megabytes=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
if [ -z "${TMPDIR-}" ] && [ "${free_megabytes:-0}" -ge 12288 ] &&
  mount -t tmpfs -o size=8g,mode=1777 leadmasterd-tests "$work" 2>/dev/null; then
  export TMPDIR=$work
fi
node_output=$work/node-output
# Each stand-in of WhatsApp Web adds what is sent through it.
export STANDIN_WRITES=$work/writes
: >"$STANDIN_WRITES"
# They all show one certificate: to load what makes one costs each process more than the rest of its start.
export STANDIN_CERTIFICATE=$work/certificate.pem
(umask 077 && node node_listener/test/support/make-certificate.js >"$STANDIN_CERTIFICATE") || exit

# Each runs in a session of its own, so that all of its processes can be signalled; what a script starts with & would
# ignore SIGINT.
own_session=(setsid env --default-signal=INT)
"${own_session[@]}" .venv/bin/python -m pytest -n "$workers" --dist worksteal "${chosen[@]}" "$@" <&0 &
python=$!
"${own_session[@]}" npm --prefix node_listener run --silent "$npm_script" >"$node_output" 2>&1 </dev/null &
node=$!

to_both() { kill "$1" -- "-$python" "-$node" 2>/dev/null; }
# Asked to stop, both clean up after themselves; asked again, they are killed.
stop() {
  trap 'to_both -KILL' INT TERM HUP
  to_both -INT
  wait "$python"
  wait "$node"
  to_both -KILL
  exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM HUP

failed=0
outcome_of() { # NAME PID: waits for it
  local outcome=passed
  wait "$2" || outcome=FAILED failed=1
  outcomes+="-- $1 tests: $outcome"$'\n'
}
outcomes=
outcome_of Python "$python"
outcome_of Node "$node"
cat "$node_output"
if [ "$npm_script" != test:fast ]; then # the fast tests send nothing that could be counted
  node node_listener/test/support/count-writes.js "$STANDIN_WRITES" || failed=1
fi
printf '%s-- after %s s\n' "$outcomes" "$SECONDS"
exit "$failed"
