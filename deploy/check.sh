#!/bin/bash
# `make check`: what needs no root and no container. Two lanes side by side, since there are two cores at least.
# check.sh --without-unit leaves the unit tests out, for who runs them anyway. Dead code is looked for twice: knip.shipped.json takes no
# unit test for a user, so what only they call is found too.
set -uo pipefail
cd "$(dirname "$0")/.."
lane() { local failed=0; while [ $# -gt 0 ]; do deploy/step "$1" bash -c "$2" || failed=1; shift 2; done; return $failed; }
unit=("unit tests" "NODE_OPTIONS=--experimental-vm-modules npx --no-install jest -w 2 --silent > .unit.log 2>&1 || { cat .unit.log; exit 1; }")
[ "${1:-}" = --without-unit ] && unit=()

lane \
  "types" "npx --no-install tsc -p ." \
  "layers and cycles" "npx --no-install depcruise --output-type err-long --config .dependency-cruiser.mjs proto machinery agent controlplane cli e2e" \
  "dead code" "npx --no-install knip && npx --no-install knip --config knip.shipped.json --include files,exports" \
  "format" "npx --no-install prettier --check --log-level warn --cache --cache-location node_modules/.cache/prettier/.prettier-cache ." \
  "${unit[@]}" &
first=$!
lane \
  "package-lock.json" "node deploy/lockfile.mjs --check" \
  "generated code" "for generate in proto/*/generate.ts proto/plugins/*/generate.ts; do npx --no-install tsx \$generate --check || exit 1; done" \
  "Vagrantfile" "if command -v vagrant >/dev/null; then vagrant validate --ignore-provider; fi" \
  "lint" "npx --no-install eslint --cache --cache-location node_modules/.cache/eslint ." &
second=$!
code=0
wait "$first" || code=1
wait "$second" || code=1
grep -E '^Tests: ' .unit.log 2>/dev/null; rm -f .unit.log
exit $code
