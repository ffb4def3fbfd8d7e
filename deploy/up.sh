#!/bin/bash
# `make up`: from a fresh Debian machine to a running cluster with a demo. Every step is idempotent; a second run changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "k8ts: starting containers needs root; run: sudo make up" >&2; exit 5; }
node -e 'process.exit(+process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2>/dev/null ||
  { echo "k8ts: needs Node.js 20 or newer on the PATH (found: $(node --version 2>/dev/null || echo none)); install it and run this again" >&2; exit 1; }

deploy/debian-packages.sh
make --no-print-directory build
if [ "$(readlink -f /usr/local/bin/k8ts 2>/dev/null)" != "$PWD/dist/k8ts.mjs" ]; then
  ln -sf "$PWD/dist/k8ts.mjs" /usr/local/bin/k8ts
fi
dist/k8ts.mjs up

export KUBECONFIG=${K8TS_CONFIG_DIR:-/etc/k8ts}/kubeconfig.yaml
before=$(kubectl get deployment,service demo -o jsonpath='{.items[*].metadata.uid}' --ignore-not-found)
[ -n "$before" ] || deploy/step "demo" kubectl apply -f deploy/demo.yaml
deploy/step "demo is Ready" kubectl rollout status deployment/demo --timeout=120s
[ -z "$before" ] || echo "✔ demo                         was there already; nothing changed"
ip=$(kubectl get service demo -o jsonpath='{.spec.clusterIP}')
port=$(kubectl get service demo -o jsonpath='{.spec.ports[0].nodePort}')
node=$(kubectl get nodes -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}')
cat <<T

The cluster runs. Try:
  export KUBECONFIG=$KUBECONFIG
  kubectl get nodes,pods -A -o wide
  wget -qO- http://$ip          the demo, by its ClusterIP
  wget -qO- http://$node:$port   the demo, by its NodePort
  k8ts status                    what runs here; k8ts logs says why
  sudo make down                 stop it; sudo make reset removes every trace
T
