#!/bin/bash
# e2e/upstream.sh: upstream's v1.20 controller manager, scheduler, kubelet and kube-proxy against our API server.
#   CONFORMANCE_DIR=DIR   their programs (bin/) and images.tar; the suite's build.sh and images.sh make them:
#   WHAT="cmd/kubelet cmd/kube-proxy cmd/kube-scheduler cmd/kube-controller-manager" build.sh && images.sh
set -uo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "k8ts: this runs real containers and needs root; run it with sudo" >&2; exit 5; }
dir=${CONFORMANCE_DIR:-/var/cache/k8ts-conformance}
for file in bin/kube-controller-manager bin/kube-scheduler bin/kubelet bin/kube-proxy images.tar; do
  [ -e "$dir/$file" ] || { echo "$dir/$file is missing; build it as the head of $0 says, or name its folder: CONFORMANCE_DIR=DIR make upstream" >&2; exit 2; }
done
NODE_OPTIONS=--experimental-vm-modules npx --no-install jest -w 1 --testMatch '**/e2e/upstream/*.e2e.ts'
code=$?
# Whatever way the run went, nothing of it stays.
npx --no-install tsx e2e/sweep/main.ts
# What root cached belongs to the checkout's owner, like the rest of it.
[ ! -d node_modules/.cache ] || chown -R --reference=. node_modules/.cache
exit $code
