#!/usr/bin/env bash
# Makes one run of each experiment that was measured in N shards: of $SHARDS (shards/) into $OUT (data/).
#
#   scripts/slurm/merge.sh N
#SBATCH --job-name=onedispatch-merge
#SBATCH --ntasks=1
#SBATCH --output=onedispatch-%j-merge.out
set -euo pipefail
program=${PROGRAM:-target/release/onedispatch}
for first in "${SHARDS:-shards}"/*/*-shard-1-of-"$1"; do
    name=$(basename "$first" "-shard-1-of-$1")
    # Shards of one run may be of several days.
    "$program" merge "$(dirname "$first")"/????-??-??"${name:10}"-shard-*-of-"$1" --out "${OUT:-data}"
done
