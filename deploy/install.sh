#!/bin/bash
# `make install`: what a machine needs to run k8ts, and k8ts on its PATH; starts nothing. Idempotent.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || { echo "k8ts: installing packages needs root; run: sudo make install" >&2; exit 5; }
node -e 'const [major, minor] = process.versions.node.split("."); process.exit(+major > 20 || (+major === 20 && +minor >= 15) ? 0 : 1)' 2>/dev/null || {
  echo "k8ts: needs Node.js 20.15 or newer on the PATH (found: $(node --version 2>/dev/null || echo none)); install it and run this again" >&2
  # sudo looks in fewer places than the shell of who calls it.
  [ -z "${SUDO_USER:-}" ] || echo "      one of your own shell's (nvm and the like) sudo does not see: sudo ln -s \"\$(command -v node)\" \"\$(command -v npm)\" /usr/local/bin/" >&2
  exit 1; }
command -v npm >/dev/null || { echo "k8ts: there is Node.js, but no npm on the PATH; install it and run this again" >&2; exit 1; }

deploy/debian-packages.sh
make --no-print-directory -s build
if [ "$(readlink -f /usr/local/bin/k8ts 2>/dev/null)" != "$PWD/dist/k8ts.mjs" ]; then
  ln -sf "$PWD/dist/k8ts.mjs" /usr/local/bin/k8ts
  echo "✔ /usr/local/bin/k8ts links to $PWD/dist/k8ts.mjs"
fi
