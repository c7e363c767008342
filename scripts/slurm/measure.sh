#!/usr/bin/env bash
# Measures experiments in shards on a cluster with Slurm, a GPU for each, and makes one run of each experiment's shards.
#
#   scripts/slurm/measure.sh N SPEC...    N shards; options of `onedispatch run` may follow
#
# Shards that died go on when the same command is started again, and those that are finished have nothing left to do. Shards go
# to $SHARDS (shards/), runs to $OUT (data/), by the program $PROGRAM; $SBATCH_PARTITION and its like choose what Slurm is to take.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 2 ] || ! [ "$1" -gt 0 ] 2>/dev/null; then
    echo "usage: $0 N SPEC..., with N shards" >&2
    exit 2
fi
export PROGRAM=${PROGRAM:-$here/../../target/release/onedispatch}
if [ ! -x "$PROGRAM" ]; then
    echo "$PROGRAM is not there: run \`make build\`, or name the program by PROGRAM" >&2
    exit 2
fi
array=$(sbatch --parsable --array="1-$1" "$here/shard.sh" "$@")
merge=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes "$here/merge.sh" "$1")
echo "job $array measures $1 shards, job $merge merges them; where one dies, start the same command again"
