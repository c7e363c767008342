#!/usr/bin/env bash
# Has what data/ says of itself read by the validators of those formats: frictionless for datapackage.json, with every row of every
# file, and mlcroissant for croissant.json, with the first records of each table.
#
#   scripts/data-validators.sh --install    installs them into target/validators, where they are not
#   scripts/data-validators.sh [DIR]        validates a data directory [default: data]
set -euo pipefail
cd "$(dirname "$0")/.."

readonly room=${CARGO_TARGET_DIR:-target}/validators
readonly packages=(frictionless==5.21.0 mlcroissant==1.1.1)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then env "$@"; else sudo -n env "$@"; fi
}

if [ "${1:-}" = --install ]; then
    if [ -x "$room/bin/frictionless" ] && [ -x "$room/bin/mlcroissant" ]; then
        exit 0
    fi
    if ! python3 -c 'import ensurepip' 2>/dev/null && command -v apt-get >/dev/null; then
        as_root apt-get update -qq
        as_root DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends python3-venv >/dev/null
    fi
    mkdir -p "$(dirname "$room")"
    python3 -m venv --clear "$room"
    "$room/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir "${packages[@]}"
    printf 'data-validators: %s\n' "${packages[*]}"
    exit 0
fi

readonly data=${1:-data}
if [ ! -x "$room/bin/python" ]; then
    echo "data-validators: not there; scripts/data-validators.sh --install puts them into $room" >&2
    exit 2
fi
"$room/bin/python" - "$data" <<'PYTHON'
import itertools
import logging
import sys

import frictionless
import mlcroissant

data = sys.argv[1]
faults = []

report = frictionless.validate(f"{data}/datapackage.json")
faults += [f"datapackage.json: {error.type}: {error.message}" for error in report.errors]
faults += [f"{task.place}: {error.type}: {error.message}" for task in report.tasks for error in task.errors]

logging.getLogger().setLevel(logging.ERROR)
dataset = mlcroissant.Dataset(jsonld=f"{data}/croissant.json")
issues = dataset.metadata.issues
faults += [f"croissant.json: {issue}" for issue in sorted(issues.errors | issues.warnings)]
for table in dataset.metadata.record_sets:
    columns = {field.id for field in table.fields}
    try:
        records = list(itertools.islice(dataset.records(table.id), 100))
    except mlcroissant.GenerationError as error:
        while error.__cause__:
            error = error.__cause__
        faults.append(f"croissant.json: {table.id}: {error}")
        continue
    if not records:
        faults.append(f"croissant.json: {table.id}: no records")
    for record in records:
        if set(record) != columns or not all(record[f"{table.id}/{name}"] for name in ("device", "run")):
            faults.append(f"croissant.json: {table.id}: {record}")
            break

for fault in faults:
    print(f"data-validators: {fault}", file=sys.stderr)
if faults:
    sys.exit(1)
rows = sum(task.stats.get("rows") or 0 for task in report.tasks)
tables = len(dataset.metadata.record_sets)
print(f"data-validators: {len(report.tasks)} files with {rows} rows, {tables} tables")
PYTHON
