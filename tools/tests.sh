#!/bin/sh
# Runs the tests but the long ones; arguments go to pytest.
#
# Tests that start chains mostly wait, the others compute: side by side each has a core. What the
# chains' tests print comes after the others'.
set -u

pytest=.venv/bin/pytest
none_collected=5
printed=$(mktemp)

"$pytest" -m "chains and not long" "$@" >"$printed" 2>&1 &
chains=$!
trap 'kill "$chains" 2>/dev/null; wait "$chains"; rm -f "$printed"; exit 130' INT TERM

"$pytest" -m "not long and not chains" "$@"
fast_code=$?
wait "$chains"
chains_code=$?
cat "$printed"
rm -f "$printed"

# With arguments that choose tests, one of the two may have none.
[ "$fast_code" -eq "$none_collected" ] && [ "$chains_code" -ne "$none_collected" ] && fast_code=0
[ "$chains_code" -eq "$none_collected" ] && chains_code=0
[ "$fast_code" -eq 0 ] || exit "$fast_code"
exit "$chains_code"
