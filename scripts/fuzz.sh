#!/usr/bin/env bash
# Feeds broken files to all that reads a file of someone else's: scripts/fuzz.sh [SECONDS [TARGET...]]
#
# SECONDS (60) for each target of fuzz/, one after the other. Seeds are the project's own files and those in fuzz/seeds/; what
# libFuzzer finds beside them stays in target/fuzz/. A file that panics, takes over 10 s (60 for a page's) or over 2 GiB is left in
# fuzz/artifacts/. Needs `cargo install cargo-fuzz` and a nightly toolchain, as cargo-fuzz does.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
mapfile -t all < <(basename -s .rs fuzz/targets/*.rs)
targets=("$@")
[ $# -gt 0 ] || targets=("${all[@]}")

seeds() {
    case $1 in
    gguf) ls fuzz/seeds/gguf/*.gguf ;;
    safetensors) ls tests/golden/decode/tiny_d32_l1_h2/model.safetensors ;;
    config) ls tests/golden/decode/*/config.json ;;
    tokenizer) ls web/tests/tokenizer/tokenizer.json ;;
    template) ls fuzz/seeds/template/*.jinja ;;
    spec) ls experiments/*.toml ;;
    prices) ls data/sources/eustockmarkets.csv ;;
    population) ls tests/golden/rollout/*.safetensors ;;
    tables) ls fuzz/seeds/tables/*.csv ;;
    page) ls fuzz/seeds/page/*.json ;;
    peer) ls fuzz/seeds/peer/result.json ;;
    *)
        echo "no seeds for a target \`$1\`; there are ${all[*]}" >&2
        return 2
        ;;
    esac
}

for target in "${targets[@]}"; do
    found=target/fuzz/$target
    mkdir -p "$found/seeds" "$found/corpus"
    files=$(seeds "$target")
    while read -r file; do
        cp "$file" "$found/seeds/$(basename "$(dirname "$file")")-$(basename "$file")"
    done <<<"$files"
    # What only the program reads is built without optimization, which takes a quarter of an hour of two cores once.
    build=()
    case $target in tables | page | peer) build=(--dev --features program) ;; esac
    # A page's result has hundreds of programs built beside it, which takes seconds in such a build.
    timeout=10
    [ "$target" != page ] || timeout=60
    largest=$(find "$found/seeds" -type f -printf '%s\n' | sort -n | tail -n 1)
    cargo +nightly fuzz run "${build[@]}" --target-dir target/fuzz/build "$target" "$found/corpus" "$found/seeds" -- \
        -max_total_time="$seconds" -max_len="$((largest * 2))" -timeout="$timeout" -rss_limit_mb=2048 -print_final_stats=1
done
