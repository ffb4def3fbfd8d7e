#!/bin/bash
# `make up`: from a fresh Debian machine to a running cluster with a demo. Every step is idempotent; a second run changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || { echo "k8ts: starting containers needs root; run: sudo make up" >&2; exit 5; }
deploy/install.sh
dist/k8ts.mjs up

export KUBECONFIG=${K8TS_CONFIG_DIR:-/etc/k8ts}/kubeconfig.yaml
before=$(kubectl get deployment,service demo -o jsonpath='{.items[*].metadata.uid}' --ignore-not-found)
[ -n "$before" ] || deploy/step "demo" kubectl apply -f deploy/demo.yaml
deploy/step "demo is Ready" kubectl rollout status deployment/demo --timeout=120s
[ -z "$before" ] || echo "✔ demo                         was there already; nothing changed"
ip=$(kubectl get service demo -o jsonpath='{.spec.clusterIP}')
port=$(kubectl get service demo -o jsonpath='{.spec.ports[0].nodePort}')
node=$(kubectl get nodes -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}')
# A machine may have neither; busybox came with the packages.
get=$(command -v wget >/dev/null && echo "wget -qO-" || { command -v curl >/dev/null && echo "curl -s"; } || echo "busybox wget -qO-")
if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
  kubeconfig="sudo k8ts up --merge-kubeconfig            lets $SUDO_USER's kubectl in (adds to ~/.kube/config)"
else
  kubeconfig="export KUBECONFIG=$KUBECONFIG"
fi
cat <<T

The cluster runs. Try:
  $kubeconfig
  kubectl get nodes,pods -A -o wide
  $(printf '%-42s' "$get http://$ip") the demo, by its ClusterIP
  $(printf '%-42s' "$get http://$node:$port") the demo, by its NodePort
  $(printf '%-42s' "sudo k8ts status") what runs here; sudo k8ts logs says why
  $(printf '%-42s' "sudo make down") stop it; sudo make reset removes every trace
T
