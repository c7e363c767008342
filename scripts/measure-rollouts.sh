#!/usr/bin/env bash
# Measures the rollout experiments and checks what came out: about four
# minutes on a large GPU. PROGRAM and OUT may be given; the first adapter is
# measured.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${PROGRAM:-target/release/onedispatch}
out=${OUT:-data}
for spec in rollout rollout-length rollout-population rollout-portfolio rollout-nbody rollout-controls; do
    "$program" run "experiments/$spec.toml" --out "$out"
    printf '%s: %d s since the start\n' "$spec" "$SECONDS"
done
"$program" verify "$out"
