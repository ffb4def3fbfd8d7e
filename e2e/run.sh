#!/bin/bash
# e2e/run.sh [SUITE]: the suites on real containers, kernel and kubectl; with SUITE (journey, chaos, lab, ...) that one alone.
set -uo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "k8ts: the suites run real containers and need root; run them with sudo" >&2; exit 5; }
suite=${1:-}
if [ -n "$suite" ] && [ ! -f "e2e/suites/$suite.e2e.ts" ]; then
  echo "There is no suite \"$suite\"; there are: $(cd e2e/suites && ls -- *.e2e.ts | sed 's/\.e2e\.ts//' | xargs)" >&2; exit 2
fi
NODE_OPTIONS=--experimental-vm-modules npx --no-install jest -w 1 --testMatch "**/e2e/suites/${suite:-*}.e2e.ts"
code=$?
# Whatever way the run went, nothing of it stays.
npx --no-install tsx e2e/sweep/main.ts
# What root cached belongs to the checkout's owner, like the rest of it.
[ ! -d node_modules/.cache ] || chown -R --reference=. node_modules/.cache
exit $code
