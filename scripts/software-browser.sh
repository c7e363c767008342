#!/usr/bin/env bash
# What the page's tests need: Debian's Chromium, whose software adapter needs no
# GPU, and the npm packages of its tests and of the peers of browsers. Installs
# what is missing where that is possible, and says what it leaves.
set -euo pipefail
cd "$(dirname "$0")/.."

leave() {
    echo "$1; the page's tests are skipped without it" >&2
    exit 0
}

if ! command -v node >/dev/null; then
    leave "there is no node (version 20 or later)"
fi
if [ ! -x "${ONEDISPATCH_CHROMIUM:-/usr/bin/chromium}" ]; then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
        leave "there is no /usr/bin/chromium; install it, or name one by ONEDISPATCH_CHROMIUM"
    fi
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null
fi
for folder in web peers/onnxruntime-web peers/tfjs peers/transformers-js; do
    installed=$folder/node_modules/.package-lock.json
    if [ ! "$installed" -nt "$folder/package-lock.json" ]; then
        # No package needs a script of its own.
        (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || leave "npm packages of $folder/ cannot be installed"
        touch "$installed"
    fi
done
