#!/usr/bin/env bash
# A task of a Slurm array: measures the shard of its own number on the GPU that Slurm gave it.
#
#   sbatch --array=1-4 scripts/slurm/shard.sh 4 SPEC...    all; --array=3 is the third alone
#SBATCH --job-name=onedispatch
#SBATCH --ntasks=1
#SBATCH --gres=gpu:1
#SBATCH --output=onedispatch-%A-%a.out
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
program=${PROGRAM:-target/release/onedispatch}
shard=$SLURM_ARRAY_TASK_ID/$1
shift
# Where Slurm does not hide the other GPUs of the host (ConstrainDevices), Vulkan has them all, and CUDA_VISIBLE_DEVICES says
# nothing to it. Equal GPUs need not have the same order there: what counts is that no two tasks take one.
adapters=$("$program" devices | grep -cE '^[0-9]+: ' || true)
adapter=()
if [ "$adapters" -gt 1 ] && [ -n "${SLURM_JOB_GPUS:-}" ]; then
    adapter=(--adapter "$SLURM_JOB_GPUS")
fi
echo "shard $shard on GPU ${SLURM_JOB_GPUS:-of its own}"
exec "$program" run "$@" --shard "$shard" --out "${SHARDS:-shards}" "${adapter[@]}"
