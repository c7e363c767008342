#!/usr/bin/env bash
# Makes sure that there is a Python with what peers need on a CPU, in peers/build/python, so that the tests run some of them.
# A contributor's tests leave them out where there is none: cargo test says so.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly room=peers/build/python
# Packages are imported by the names that they are installed by.
needed=$(sed -n 's/==.*//p' peers/requirements-cpu.txt | paste -sd ,)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then env "$@"; else sudo -n env "$@"; fi
}

if [ -x "$room/bin/python" ] && "$room/bin/python" -c "import $needed" 2>/dev/null; then
    exit 0
fi
if ! python3 -c 'import ensurepip' 2>/dev/null && command -v apt-get >/dev/null; then
    as_root apt-get update -qq
    as_root DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends python3-venv >/dev/null
fi
mkdir -p peers/build
python3 -m venv --clear "$room"
"$room/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir -r peers/requirements-cpu.txt
"$room/bin/python" -c 'import jax, numpy; print("python-peers: jax", jax.__version__, "numpy", numpy.__version__)'
