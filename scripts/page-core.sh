#!/usr/bin/env bash
# Compiles the page's part in Rust (src/page/) to WebAssembly, and puts it into web/js/vendor/.
#
# Needs a Rust toolchain, and installs the rest into target/: the compiler's target wasm32-unknown-unknown, by rustup where that
# can fetch it, else by Debian's own compiler, which is unpacked (not installed) and builds its standard library from source;
# and wasm-bindgen. wasm-opt (of Debian's package binaryen) makes the file smaller where it is there. DEBIAN_RUST=1 takes
# Debian's compiler in any case.
set -euo pipefail
cd "$(dirname "$0")/.."

TARGET=wasm32-unknown-unknown
# As src/page/Cargo.toml.
WASM_BINDGEN=0.2.130
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/tools"
tools=$(cd "$target/tools" && pwd)

has_target() {
    [ -z "${DEBIAN_RUST:-}" ] && [ -d "$(rustc --print target-libdir --target "$TARGET")" ]
}

# Debian's compiler in $tools/debian: its path, flags and settings, for the one build below.
use_debian() {
    local root=$tools/debian
    if [ ! -x "$root/usr/bin/rustc" ]; then
        echo "page: unpacking Debian's Rust for the web into $root (145 MB to download)" >&2
        rm -rf "$root" && mkdir -p "$root/packages/partial"
        local packages=(rustc-web cargo-web rust-web-src libstd-rust-web-dev)
        local needed
        # Of what these need, the libraries that are versioned with them.
        needed=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
            --no-enhances rustc-web | grep -E '^(libstd-rust-web-[0-9]|libllvm[0-9])' | sort -u)
        # shellcheck disable=SC2086 # one word for each package
        (cd "$root/packages" && apt-get download -qq "${packages[@]}" $needed)
        local package
        for package in "$root"/packages/*.deb; do
            dpkg -x "$package" "$root"
        done
        rm -r "$root/packages"
    fi
    local installed
    installed=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
    export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/usr/lib
    export RUSTC=$root/usr/bin/rustc RUSTC_BOOTSTRAP=1
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$installed/rust-lld
    flags=('-Zbuild-std=std,panic_abort')
    out=$target/debian
}

cargo=(cargo)
flags=()
out=$target
if ! has_target && [ -z "${DEBIAN_RUST:-}" ] && command -v rustup >/dev/null; then
    echo "page: adding the compiler's target $TARGET" >&2
    timeout 180 rustup target add "$TARGET" >&2 || true
fi
bindgen=$tools/bin/wasm-bindgen
if [ "$("$bindgen" --version 2>/dev/null)" != "wasm-bindgen $WASM_BINDGEN" ]; then
    echo "page: building wasm-bindgen $WASM_BINDGEN in $tools" >&2
    # Without its test runner's network.
    cargo install --quiet wasm-bindgen-cli --version "$WASM_BINDGEN" --no-default-features --root "$tools" \
        --target-dir "$tools/build"
    rm -rf "$tools/build"
fi
if ! has_target; then
    if ! command -v apt-get >/dev/null || ! apt-cache show rustc-web >/dev/null 2>&1; then
        echo "page: there is no $TARGET for this compiler: run \`rustup target add $TARGET\`, and \`make web\` again" >&2
        exit 1
    fi
    use_debian
fi
# Whoever has WebGPU has vectors.
export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+simd128"
"${cargo[@]}" build --locked --profile page --package onedispatch-page --target "$TARGET" --target-dir "$out" "${flags[@]}"

vendor=web/js/vendor
mkdir -p "$vendor"
"$bindgen" --target web --no-typescript --remove-name-section --remove-producers-section --out-dir "$vendor" "$out/$TARGET/page/onedispatch_page.wasm"
wasm=$vendor/onedispatch_page_bg.wasm
if command -v wasm-opt >/dev/null; then
    wasm-opt -O2 --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals \
        --enable-reference-types --enable-multivalue --enable-simd "$wasm" -o "$wasm.small" && mv "$wasm.small" "$wasm"
fi
printf 'page: %s has %d KiB, %d compressed\n' "$wasm" $(($(stat -c %s "$wasm") / 1024)) \
    $(($(gzip -9 -c "$wasm" | wc -c) / 1024)) >&2
