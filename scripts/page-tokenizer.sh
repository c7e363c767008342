#!/usr/bin/env bash
# Puts the page's tokenizer, an npm package, into web/js/vendor/. Without it the
# page works as well, with token ids instead of text.
set -euo pipefail
cd "$(dirname "$0")/../web"

if [ js/vendor/tokenizers.js -nt package-lock.json ]; then
    exit 0
fi
leave() {
    echo "$1; the page takes prompts as token ids only" >&2
    exit 0
}
command -v npm >/dev/null || leave "there is no npm to get the page's tokenizer with"
# In a folder of its own: node_modules may hold what the tests need.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp package.json package-lock.json "$folder"
(cd "$folder" && npm ci --omit=dev --no-audit --no-fund --loglevel=error >/dev/null) || leave "the page's tokenizer cannot be installed"
mkdir -p js/vendor
cp "$folder"/js/vendor/* js/vendor/
touch js/vendor/tokenizers.js
