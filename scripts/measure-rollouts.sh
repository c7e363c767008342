#!/usr/bin/env bash
# Measures the rollout experiments, or those that are named, and checks what
# came out: about four minutes for all on a large GPU. PROGRAM and OUT may be
# given; the first adapter is measured. QUICK=1 cuts each down to what a software
# device does in a few minutes; such rows support no claim.
#
#   scripts/measure-rollouts.sh
#   scripts/measure-rollouts.sh rollout rollout-population
set -euo pipefail
cd "$(dirname "$0")/.."
program=${PROGRAM:-target/release/onedispatch}
out=${OUT:-data}
if [ $# -eq 0 ]; then
    set -- rollout-population rollout rollout-length rollout-portfolio rollout-nbody rollout-controls \
        rollout-pi rollout-evolution
fi
for spec in "$@"; do
    "$program" run "experiments/$spec.toml" --out "$out" ${QUICK:+--quick}
    printf '%s: %d s since the start\n' "$spec" "$SECONDS"
done
"$program" verify "$out"
