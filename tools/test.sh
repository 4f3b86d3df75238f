#!/bin/bash
# Runs the tests; `make test`, `make test-fast` and `make test-deep` call it once the set-up is done.
#
#   tools/test.sh all  [PYTEST ARGUMENTS]   everything that guards a change, from fixed seeds
#   tools/test.sh fast [PYTEST ARGUMENTS]   without browser and systemd, for daily work
#   tools/test.sh deep [PYTEST ARGUMENTS]   fresh seeds, at least 2,000 examples of each property, the big storm
#
# The Node tests run beside the Python ones, since both mostly wait; what they printed follows when they have ended.
set -uo pipefail
cd "$(dirname "$0")/.."

case ${1-} in
  all) npm_script=test ;;
  fast) npm_script=test:fast; set -- "$@" -m "not e2e and not systemd" ;;
  deep) npm_script=test; export LEADMASTERD_TEST_DEPTH=deep; set -- "$@" --timeout 0 ;;
  *) sed -n '4,6s/^# *//p' "$0" >&2; exit 64 ;;
esac
shift

# The tests start hundreds of Python programs; without bytecode each would compile all of it again.
unset PYTHONDONTWRITEBYTECODE

node_output=$(mktemp)
node_tests() {
  local from=$SECONDS outcome=passed
  # A background job of a script ignores Ctrl-C, and so would all that the tests start.
  env --default-signal=INT npm --prefix node_listener run --silent "$npm_script" >"$node_output" 2>&1 || outcome=FAILED
  echo "-- Node tests: $outcome after $((SECONDS - from)) s" >>"$node_output"
  [ "$outcome" = passed ]
}
node_tests &
node=$!
trap 'kill "$node" 2>/dev/null; rm -f "$node_output"' EXIT

failed=0 from=$SECONDS outcome=passed
.venv/bin/python -m pytest -n auto --dist worksteal "$@" || { outcome=FAILED failed=1; }
echo "-- Python tests: $outcome after $((SECONDS - from)) s"
wait "$node" || failed=1
cat "$node_output"
exit "$failed"
