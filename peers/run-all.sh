#!/usr/bin/env bash
# Every peer on every exported case: peers/run-all.sh DIR_OF_CASES OUT_DIR [NAME[:VARIANT,VARIANT]...]
#
#   onedispatch export experiments/peers.toml --out cases
#   peers/run-all.sh cases results                     # every peer of each case's work, all variants
#   peers/run-all.sh cases results cuda pytorch:graph,compile-graph jax:scan
#
# A peer decodes by its run.py, and follows rollouts by its rollout.py; one that has no such file is left out.
#
# First everything is compiled, several cases at a time; compilers keep what they make in peers/build (or PEERS_CACHE), and
# PREPARE=1 stops there, so that a machine's GPU is not held for it twice. Then every peer is measured, one at a time, and writes OUT_DIR/<case>.<peer>.json. What fails is said, and does not keep the
# rest from running; a peer that this machine cannot run is named with the reason. PYTHON is the interpreter; DEVICE=cpu sees whether outputs are right where there is no GPU;
# BUILD_LIMIT and RUN_LIMIT are the seconds that one peer may take for one case.
set -uo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
cases=$1
out=$2
shift 2
peers=("$@")
[ ${#peers[@]} -gt 0 ] || peers=(cuda triton pytorch jax transformers onnxruntime llama-cpp burn numpy gymnax gymnasium)

here=$(cd "$(dirname "$0")" && pwd)
PYTHON=${PYTHON:-python3}
DEVICE=${DEVICE:-cuda}
BUILD_LIMIT=${BUILD_LIMIT:-240}
RUN_LIMIT=${RUN_LIMIT:-240}
PEERS_CACHE=${PEERS_CACHE:-$here/build}
# A GPU machine may have nvcc without naming its place.
command -v nvcc >/dev/null || PATH=$PATH:/usr/local/cuda/bin
export PATH PYTHON DEVICE BUILD_LIMIT RUN_LIMIT PEERS_CACHE here out
export TORCHINDUCTOR_CACHE_DIR=$PEERS_CACHE/inductor
export TRITON_CACHE_DIR=$PEERS_CACHE/triton
export JAX_COMPILATION_CACHE_DIR=$PEERS_CACHE/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
# Otherwise the first of several processes takes most of the GPU's memory.
export XLA_PYTHON_CLIENT_PREALLOCATE=false
mkdir -p "$out" "$PEERS_CACHE"

# The file of a peer that a case needs: a rollout has a population.
script() {
    local work=run
    [ ! -f "$1/population.safetensors" ] || work=rollout
    echo "$here/${2%%:*}/$work.py"
}
export -f script

# One peer on one case: `one build CASE_DIR NAME[:VARIANTS]` or `one measure ...`.
one() {
    local what=$1 case=$2 peer=${3%%:*} variants=() begin=$SECONDS limit name
    [ "$peer" = "$3" ] || variants=(--variants "${3#*:}")
    name=$(basename "$case").$peer
    local log=$out/$name.$what.log
    case $what in
    build)
        limit=$BUILD_LIMIT
        set -- --build
        ;;
    *)
        limit=$RUN_LIMIT
        set -- --out "$out/$name.json"
        ;;
    esac
    local status=0
    timeout -k 10 "$limit" "$PYTHON" "$(script "$case" "$peer")" "$case" --device "$DEVICE" "${variants[@]}" "$@" \
        >"$log" 2>&1 || status=$?
    [ "$what" = build ] || grep -E '(tokens|steps)/s$' "$log"
    if [ "$status" -ne 0 ]; then
        echo "$name: $what failed with $status after $((SECONDS - begin)) s: $(tail -n 1 "$log")"
        return 1
    fi
    echo "$name: $what took $((SECONDS - begin)) s"
}
export -f one

directories=()
for directory in "$cases"/*/; do
    [ -f "${directory}case.json" ] && directories+=("${directory%/}")
done
if [ ${#directories[@]} -eq 0 ]; then
    echo "$cases: no exported case there; \`onedispatch export SPEC --out $cases\` writes some" >&2
    exit 2
fi
usable=()
for peer in "${peers[@]}"; do
    scripts=("$here/${peer%%:*}"/{run,rollout}.py)
    [ -f "${scripts[0]}" ] || scripts=("${scripts[1]}")
    if [ ! -f "${scripts[0]}" ]; then
        echo "no peer is called ${peer%%:*}" >&2
        exit 2
    fi
    if reason=$("$PYTHON" "${scripts[0]}" --can-run "$DEVICE" 2>&1); then
        usable+=("$peer")
    else
        echo "${peer%%:*} cannot run here: $(tail -n 1 <<<"$reason")"
    fi
done
# Which peer on which case, case by case.
pairs=()
for directory in "${directories[@]}"; do
    for peer in "${usable[@]}"; do
        [ ! -f "$(script "$directory" "$peer")" ] || pairs+=("$directory" "$peer")
    done
done
[ ${#pairs[@]} -gt 0 ] || exit 1

echo "== compiling (after $SECONDS s)"
# shellcheck disable=SC2016 # it is the inner bash that has arguments to expand
printf '%s\0' "${pairs[@]}" | xargs -0 -n 2 -P "$(nproc)" bash -c 'one build "$0" "$1"'

[ -z "${PREPARE:-}" ] || exit 0
echo "== measuring (after $SECONDS s)"
failed=0
for ((at = 0; at < ${#pairs[@]}; at += 2)); do
    one measure "${pairs[at]}" "${pairs[at + 1]}" || failed=$((failed + 1))
done
echo "== $failed failed, $SECONDS s in all"
[ "$failed" -eq 0 ]
