#!/usr/bin/env bash
# Builds the peer burn where the tests and its run.py look for it: some ten minutes of processor time, once.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked --quiet --manifest-path peers/burn/Cargo.toml --target-dir peers/build/burn
