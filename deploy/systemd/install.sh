#!/bin/bash
# install.sh k8ts|k8ts-server|k8ts-agent: lets systemd start that unit now and at every boot. Run it again after an update.
# A k8ts that runs already hands over to it; containers run on. install.sh --remove UNIT undoes it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
units=/etc/systemd/system
remove=; [ "${1:-}" = --remove ] && { remove=1; shift; }
unit=${1:-k8ts}
[ -f "$here/$unit.service" ] || { echo "There is no unit \"$unit\"; there are: k8ts, k8ts-server, k8ts-agent" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "k8ts: installing a unit needs root; run it with sudo" >&2; exit 5; }
[ -d /run/systemd/system ] || { echo "k8ts: systemd does not run here; start k8ts with: k8ts up" >&2; exit 1; }
if [ -n "$remove" ]; then
  systemctl disable --now "$unit.service" 2>/dev/null || true
  rm -f "$units/$unit.service"; systemctl daemon-reload
  echo "✔ $unit.service is removed; its containers run on until: k8ts down"
  exit 0
fi
if [ ! -x /usr/local/bin/k8ts ]; then
  [ -f "$here/../../dist/k8ts.mjs" ] || { echo "k8ts is not built; first: make build" >&2; exit 1; }
  ln -sf "$(readlink -f "$here/../../dist/k8ts.mjs")" /usr/local/bin/k8ts
fi
# systemd looks for programs in fewer places than a shell does.
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
PATH=$path command -v node >/dev/null || {
  echo "k8ts: systemd finds no node in $path; link yours there: ln -s $(command -v node || echo PATH/TO/node) /usr/local/bin/node" >&2; exit 1; }
# k8ts starts its own containerd, with its own folders; Debian's is not needed.
if cmp -s "$here/$unit.service" "$units/$unit.service" && systemctl is-active --quiet "$unit.service"; then
  echo "✔ $unit.service runs already; nothing changed"
  exit 0
fi
install -m 644 "$here/$unit.service" "$units/$unit.service"
systemctl daemon-reload
# One that a user started before hands over; its containers run on.
if ! systemctl is-active --quiet "$unit.service" && /usr/local/bin/k8ts status >/dev/null 2>&1; then /usr/local/bin/k8ts down --keep-pods; fi
systemctl enable --quiet "$unit.service"
"$here/../step" "$unit.service starts" systemctl restart "$unit.service" || { echo "its log: journalctl -u $unit -n 30" >&2; exit 1; }
echo "✔ $unit.service runs; its log: journalctl -u $unit"
