#!/bin/bash
# `make test`: checks, unit tests, integration tests, end-to-end suites. Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "k8ts: the suite runs real containers and needs root; run: sudo make test" >&2; exit 5; }
export NODE_OPTIONS=--experimental-vm-modules
passed=0; failed=0
count() { # count FILE: adds a jest report; a report that is missing or names a suite that could not run is a failure
  local p f
  read -r p f < <(node -e '
    const r = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
    console.log(r.numPassedTests, r.numFailedTests + r.numRuntimeErrorTestSuites + (r.numTotalTests === 0 ? 1 : 0));
  ' "$1" 2>/dev/null || echo 0 1)
  passed=$((passed + p)); failed=$((failed + f)); rm -f "$1"
}
suite() { # suite NAME MINUTES JEST-ARGUMENTS...
  local name=$1 minutes=$2 report begin; shift 2; report=$(mktemp); begin=$SECONDS
  echo "== $name"
  timeout --kill-after=30 "${minutes}m" npx --no-install jest --json --outputFile="$report" "$@" || true
  count "$report"
  echo "== $name took $((SECONDS - begin)) s; so far $passed passed, $failed failed"
}
if deploy/check.sh --without-unit; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
suite "unit" 8 -w 2 --silent
suite "integration" 10 -w 1 --testTimeout 60000 --testMatch '**/*.integration.ts'
suite "end to end" 30 -w 1 --testMatch '**/e2e/suites/*.e2e.ts'
# Whatever way the run went, nothing of it stays.
npx --no-install tsx e2e/sweep/main.ts || failed=$((failed + 1))
# What root cached belongs to the checkout's owner, like the rest of it.
[ ! -d node_modules/.cache ] || chown -R --reference=. node_modules/.cache
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
