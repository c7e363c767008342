#!/usr/bin/env bash
# Builds decode.cpp with llama.cpp into peers/build/llama-cpp (or PEERS_CACHE), for one or several of
#
#   cpu       the library prebuilt in an npm package: seconds, against ten minutes where two cores compile it
#   vulkan    the same with the Vulkan backend, whose shaders need a newer glslc than Debian has
#   cuda      from the source in a crate, for nvcc's ARCH (90 unless given): two and a half minutes on 16 cores
#   cpu-source    as cuda, but without it: to try the way where there is no nvcc
#
#   peers/llama-cpp/build.sh cuda vulkan
#   peers/llama-cpp/build.sh carry DIR            # what a machine without a network needs, in two archives ...
#   CARRIED=DIR peers/llama-cpp/build.sh cuda     # ... and there
#
# Needs cargo and npm, which fetch both, or what was carried; a C++20 compiler; for cuda also nvcc, CMake and ninja or make.
set -euo pipefail
# Places are given from where the caller is.
[ -z "${CARRIED:-}" ] || CARRIED=$(realpath "$CARRIED")
[ -z "${PEERS_CACHE:-}" ] || PEERS_CACHE=$(realpath -m "$PEERS_CACHE")
caller=$PWD
cd "$(dirname "$0")"

# Pinned by version and by digest. Their headers agree in all that decode.cpp asks for (structs and functions of llama.h).
readonly CRATE=llama-cpp-sys-2 CRATE_VERSION=0.1.161 CRATE_SHA256=e9bea77fde41bbc15a278891cd5edd2ba07c5260d162614b41080ba1f100b39b
readonly NPM_VERSION=3.21.1
declare -rA NPM=([cpu]=linux-x64 [vulkan]=linux-x64-vulkan)
declare -rA NPM_SHA256=(
    [cpu]=4b5b65a8b2611d8af94349b02d815c0f424a30a0a19aef2be5db25ecfef6730f
    [vulkan]=4877be47f01586481615aec277c23c7f660592ce66eec2753ff1dcc967a9a0d2
)

room=${PEERS_CACHE:-../build}/llama-cpp
mkdir -p "$room"
room=$(cd "$room" && pwd)
work=$(mktemp -d "$room/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

check() {
    if [ "$(sha256sum <"$1")" != "$2  -" ]; then
        echo "$3 is not the one that is pinned: its SHA-256 is $(sha256sum <"$1" | cut -c 1-64), expected $2" >&2
        exit 2
    fi
}

# Puts NAME into $room/NAME: from NAME.tar.xz where it was carried, else by the command after it, which fills $work/NAME.
obtain() {
    [ ! -d "$room/$1" ] || return 0
    mkdir "$work/$1"
    if [ -n "${CARRIED:-}" ]; then
        tar -xJf "$CARRIED/$1.tar.xz" -C "$work/$1"
    else
        "${@:2}"
    fi
    mv "$work/$1" "$room/$1"
}

# The source of llama.cpp, or what a build of it reads.
source_of_llama_cpp() {
    # Cargo fetches a package for a package that asks for it.
    mkdir -p "$work/asking/src"
    touch "$work/asking/src/lib.rs"
    printf '%s\n' '[workspace]' '[package]' 'name = "asking"' 'edition = "2021"' '[dependencies]' "$CRATE = \"=$CRATE_VERSION\"" \
        >"$work/asking/Cargo.toml"
    cargo fetch --quiet --manifest-path "$work/asking/Cargo.toml"
    local crate
    crate=$(echo "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/"$CRATE-$CRATE_VERSION.crate")
    check "$crate" "$CRATE_SHA256" "the crate $CRATE $CRATE_VERSION"
    # No other backend than the CPU's and CUDA's, and of what neither needs the recipes alone.
    tar -xzf "$crate" -C "$work/source" --strip-components 2 --wildcards --no-wildcards-match-slash \
        "$CRATE-$CRATE_VERSION"/llama.cpp/{CMakeLists.txt,LICENSE} \
        "$CRATE-$CRATE_VERSION"/llama.cpp/{cmake,include,src,ggml/cmake,ggml/include} \
        "$CRATE-$CRATE_VERSION"/llama.cpp/ggml/{CMakeLists.txt,src/CMakeLists.txt,'src/*.*'} \
        "$CRATE-$CRATE_VERSION"/llama.cpp/ggml/src/{ggml-cpu,ggml-cuda} \
        "$CRATE-$CRATE_VERSION"/llama.cpp/vendor/{CMakeLists.txt,hash,'*/CMakeLists.txt'}
}

# The prebuilt libraries of an npm package.
prebuilt() {
    local package=@node-llama-cpp/${NPM[$1]} file=$work/node-llama-cpp-${NPM[$1]}-$NPM_VERSION.tgz
    (cd "$work" && npm pack --silent "$package@$NPM_VERSION" >/dev/null)
    check "$file" "${NPM_SHA256[$1]}" "the npm package $package $NPM_VERSION"
    tar -xzf "$file" -C "$work/prebuilt-$1" --strip-components 3 --wildcards 'package/bins/*/libggml*' 'package/bins/*/libllama.*'
}

from_prebuilt() {
    obtain source source_of_llama_cpp
    obtain "prebuilt-$1" prebuilt "$1"
    mkdir "$work/new"
    cp "$room/prebuilt-$1"/* "$work/new"
    local libraries=("$work"/new/libllama.* "$work"/new/libggml.* "$work"/new/libggml-base.so)
    # shellcheck disable=SC2016 # the loader expands $ORIGIN
    "${CXX:-g++}" -O3 -std=c++20 -Wall -Wextra -I "$room/source/include" -I "$room/source/ggml/include" -o "$work/new/decode" decode.cpp \
        "${libraries[@]}" -Wl,-rpath,'$ORIGIN'
    rm -rf "${room:?}/$1"
    mv "$work/new" "$room/$1"
}

from_source() {
    obtain source source_of_llama_cpp
    local backend=$1 generator=()
    shift
    ! command -v ninja >/dev/null || generator=(-G Ninja)
    cmake -S . -B "$room/make-$backend" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DLLAMA_CPP="$room/source" \
        -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_IS_DEV=OFF -DLLAMA_BUILD_NUMBER=0 -DLLAMA_BUILD_COMMIT="$CRATE-$CRATE_VERSION" "$@"
    cmake --build "$room/make-$backend" --target decode --parallel "$(nproc)"
    # It takes any backend that lies beside it.
    rm -rf "${room:?}/$backend"
    mkdir "$room/$backend"
    cp "$room/make-$backend/decode" "$room/$backend/decode"
}

carry() {
    obtain source source_of_llama_cpp
    obtain prebuilt-vulkan prebuilt vulkan
    local name out
    out=$(cd "$caller" && realpath -m "$1")
    mkdir -p "$out"
    for name in source prebuilt-vulkan; do
        XZ_OPT=-9e tar -cJf "$out/$name.tar.xz" -C "$room/$name" .
    done
}

[ $# -gt 0 ] || set -- help
while [ $# -gt 0 ]; do
    case $1 in
    cpu | vulkan) from_prebuilt "$1" ;;
    cuda)
        command -v nvcc >/dev/null || PATH=$PATH:/usr/local/cuda/bin
        from_source cuda -DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES="${ARCH:-90}"
        ;;
    cpu-source) from_source cpu ;;
    carry)
        [ $# -gt 1 ] || { echo "build.sh carry DIR: where are the archives to go?" >&2; exit 2; }
        carry "$2"
        shift
        ;;
    *)
        sed -n '2,14s/^# \{0,1\}//p' build.sh >&2
        exit 2
        ;;
    esac
    shift
done
