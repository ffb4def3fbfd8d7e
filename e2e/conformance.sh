#!/bin/bash
# e2e/conformance.sh: official conformance specs on a lab of one control node and WORKERS (1) workers.
#   CONFORMANCE_SUITE=DIR   the folder of the suite's scripts: build.sh, images.sh, load.sh SOCKET, run.sh --focus REGEX --report DIR ...
#   FOCUS=REGEX             which specs (default: all of them)
#   PARALLEL=N TIMEOUT=S    specs at a time (2), seconds before a run is cut short (5400)
#   PROXY_MODE=MODE        iptables, nftables; see k8ts up --help (auto)
#   KEEP=1                  leaves the lab up
# e2e/conformance-passing.txt lists the specs that pass. One of the list that fails is a regression and fails this run; those that pass and
# are not in it yet are told, and are written to it with UPDATE=1.
set -uo pipefail
cd "$(dirname "$0")/.."
suite=${CONFORMANCE_SUITE:-}
[ -n "$suite" ] && [ -x "$suite/run.sh" ] || { echo "Name the folder of the suite's scripts: CONFORMANCE_SUITE=DIR make conformance" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "k8ts: conformance runs real containers and needs root; run it with sudo" >&2; exit 5; }
passing=e2e/conformance-passing.txt; touch "$passing"
report=${REPORT:-$(mktemp -d)}; mkdir -p "$report"
lab() { npx --no-install tsx e2e/lab/main.ts "$@"; }

"$suite/build.sh" >/dev/null && "$suite/images.sh" >/dev/null || { echo "the suite could not be built; run $suite/build.sh" >&2; exit 1; }
# What a spec that was cut short leaves behind fails others: each run has a new cluster.
lab down >/dev/null 2>&1
[ "${KEEP:-}" = 1 ] || trap 'lab down >/dev/null 2>&1' EXIT
trap 'exit 130' INT TERM
lab up --nodes "${WORKERS:-1}" --conformance --proxy-mode "${PROXY_MODE:-auto}" || exit 1
state=$(lab status --output json)
export KUBECONFIG; KUBECONFIG=$(node -pe 'JSON.parse(process.argv[1]).kubeconfig' "$state")
for socket in $(node -pe 'JSON.parse(process.argv[1]).nodes.map(n => n.containerd).join(" ")' "$state"); do
  "$suite/load.sh" "$socket" || { echo "images could not be loaded into $socket" >&2; exit 1; }
done

focus=${FOCUS:-'\[Conformance\]'}
"$suite/run.sh" --focus "$focus" --parallel "${PARALLEL:-2}" --timeout "${TIMEOUT:-5400}" --report "$report" | tee "$report/summary.txt"

node - "$report" "$passing" "${UPDATE:-}" <<'J'
const fs = require('node:fs');
const [, , report, list, update] = process.argv;
const [passed, failed] = [new Set(), new Set()];
for (const name of ['parallel.log', 'serial.log']) {
  const path = `${report}/${name}`;
  if (!fs.existsSync(path)) continue;
  for (const [, verdict, spec] of fs.readFileSync(path, 'utf8').matchAll(/\{"msg":"(PASSED|FAILED) (.*?)","total"/g))
    (verdict === 'PASSED' ? passed : failed).add(JSON.parse(`"${spec}"`).replace(/\s+/g, ' ').trim());
}
for (const spec of passed) failed.delete(spec);
const known = new Set(fs.readFileSync(list, 'utf8').split('\n').filter(Boolean));
const regressions = [...failed].filter(spec => known.has(spec)).sort();
const gained = [...passed].filter(spec => !known.has(spec)).sort();
for (const spec of regressions) console.log(`REGRESSION ${spec}`);
if (gained.length > 0 && update === '1') {
  fs.writeFileSync(list, [...new Set([...known, ...passed])].sort().join('\n') + '\n');
  console.log(`${gained.length} specs more pass; they stand in ${list} now`);
} else if (gained.length > 0) console.log(`${gained.length} specs pass that are not in ${list}; UPDATE=1 adds them`);
console.log(`report: ${report}`);
console.log(`${passed.size} passed, ${failed.size} failed, ${regressions.length} of them regressions`);
process.exit(passed.size > 0 && regressions.length === 0 ? 0 : 1);
J
