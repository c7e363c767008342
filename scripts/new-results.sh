#!/usr/bin/env bash
# What a branch adds to data/, as a summary in Markdown: verifies each new run by itself, and compares it with its nearest kin. Ends with
# 1 where a run that was there is touched, or a new one has a fault.
#
#   scripts/new-results.sh [BASE]     BASE: where the branch goes [default: origin/main]
#
# ONEDISPATCH names the program; else it is built, without the GPU's part.
set -euo pipefail
# shellcheck disable=SC2016 # backticks are Markdown's
fence='```'
cd "$(git rev-parse --show-toplevel)"

base=${1:-origin/main}
if ! from=$(git merge-base "$base" HEAD 2>/dev/null); then
    echo "new-results: no commit is common to $base and this branch; fetch it, or name another: scripts/new-results.sh BASE" >&2
    exit 2
fi
program=${ONEDISPATCH:-${CARGO_TARGET_DIR:-target}/release/onedispatch}
if [ -z "${ONEDISPATCH:-}" ] && [ ! -x "$program" ]; then
    cargo build --release --locked --no-default-features >&2
fi

# STATUS and path of each file of a run: A was added, M was changed, D is gone.
changes() {
    git diff --no-renames --name-status "$from" -- data
    git ls-files --others --exclude-standard -- data | sed 's/^/A\t/'
}

new=()
touched=()
while IFS=$'\t' read -r status path; do
    run=$(cut -d / -f 1-3 <<<"$path")
    # Files of data/ itself follow from the runs.
    [[ "$path" == data/*/*/* ]] || continue
    if ! git cat-file -e "$from:$run" 2>/dev/null; then
        [[ " ${new[*]} " == *" $run "* ]] || new+=("$run")
    elif [ "$status" != A ]; then
        # What a run gets later, peers and signatures, are files of their own.
        touched+=("$path")
    fi
done < <(changes)

status=0
echo "# New results"
echo
if [ ${#touched[@]} -gt 0 ]; then
    status=1
    echo "**Files of runs that were there are changed or gone.** Rows are only added; bring these back with \`git checkout $base -- FILE\`:"
    echo
    for path in "${touched[@]}"; do
        echo "- $path"
    done
    echo
fi
if [ ${#new[@]} -eq 0 ]; then
    echo "No new directory of a run."
fi
for run in "${new[@]}"; do
    echo "## $run"
    echo
    if verified=$("$program" verify "$run" 2>&1); then
        echo "Verified."
    else
        status=1
        echo "**Has faults.**"
    fi
    printf '\n%s\n%s\n%s\n\n' "$fence" "$verified" "$fence"
    if compared=$("$program" compare "$run" 2>&1); then
        printf '<details><summary>Beside its nearest kin</summary>\n\n%s\n%s\n%s\n\n</details>\n\n' "$fence" "$compared" "$fence"
    else
        printf 'Not compared: %s\n\n' "${compared#onedispatch: }"
    fi
done
exit "$status"
