#!/bin/bash
# `make test`: checks, unit tests, integration tests, end-to-end suites. Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "k8ts: the suite runs real containers and needs root; run: sudo make test" >&2; exit 5; }
export NODE_OPTIONS=--experimental-vm-modules
passed=0; failed=0
count() { # count FILE: adds a jest JSON report
  read -r p f < <(node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1])); console.log(r.numPassedTests, r.numFailedTests + r.numRuntimeErrorTestSuites)' "$1" 2>/dev/null || echo 0 1)
  passed=$((passed + p)); failed=$((failed + f)); rm -f "$1"
}
suite() { # suite NAME JEST-ARGUMENTS...
  local name=$1 report; shift; report=$(mktemp)
  echo "== $name"
  npx --no-install jest --json --outputFile="$report" "$@" || true
  count "$report"
}
if make --no-print-directory check; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
suite "unit" -w 2 --silent
suite "integration" -w 1 --testMatch '**/*.integration.ts'
suite "end to end" -w 1 --testMatch '**/e2e/**/*.e2e.ts'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
