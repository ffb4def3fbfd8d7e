#!/bin/bash
# debian-packages.sh [PACKAGE...]: installs what is missing of the Debian packages that a k8ts node needs, and of those named besides.
# Says so when nothing is missing.
set -euo pipefail
packages=(containerd runc containernetworking-plugins iptables nftables conntrack ipset iproute2 busybox-static util-linux "$@")
missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' || missing+=("$p")
done
# A kubectl from elsewhere on the PATH is as good.
command -v kubectl >/dev/null || missing+=(kubernetes-client)
[ "${#missing[@]}" = 0 ] && { echo "✔ Debian packages               nothing to install"; exit 0; }
[ "$(id -u)" = 0 ] || { echo "k8ts: needs root to install ${missing[*]}; run it with sudo" >&2; exit 5; }
command -v apt-get >/dev/null || { echo "k8ts: this is no Debian; install these yourself: ${missing[*]}" >&2; exit 1; }
here=$(dirname "$0")
export DEBIAN_FRONTEND=noninteractive
# Debian's containerd starts a service of its own; k8ts runs a private one beside it and leaves that alone.
"$here/step" "apt-get update" apt-get -o DPkg::Lock::Timeout=300 update -qq
# Another package manager that is at work (unattended upgrades, say) is waited for.
"$here/step" "install ${#missing[@]} Debian packages" apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" || {
  echo "k8ts: apt-get could not install ${missing[*]}; see above, check the network and /etc/apt/sources.list, and run this again" >&2; exit 1; }
# Debian's etcd and docker-registry start services too, which nobody asked for: the tests start their own.
if [ -d /run/systemd/system ]; then
  case " ${missing[*]} " in *" etcd-server "*) systemctl disable --quiet --now etcd.service ;; esac
  case " ${missing[*]} " in *" docker-registry "*) systemctl disable --quiet --now docker-registry.service ;; esac
fi
