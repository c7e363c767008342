#!/usr/bin/env bash
# Makes sure that there is a correct software Vulkan device (lavapipe of Mesa),
# and installs one on Debian and its like where it may.
#
#   scripts/software-vulkan.sh                     for tests
#   scripts/software-vulkan.sh --unless-hardware   nothing to do where there is a GPU
#
# Correct means Mesa 25 or later, the oldest that was checked and found right.
# Mesa 22.3 (Debian 12's own) ends every loop of an invocation after 65,535
# iterations in all and says nothing: long kernels then give wrong tokens.
set -euo pipefail

readonly wanted=25
readonly packages=(mesa-vulkan-drivers libvulkan1)

say() { printf 'software-vulkan: %s\n' "$*"; }

# Ends with what a person can do where this script cannot.
give_up() {
    say "$1" >&2
    say "install Mesa $wanted or later with its lavapipe driver, and the Vulkan loader:" >&2
    say "  Debian 12: ${packages[*]} from bookworm-backports; Debian 13 and later: the same from main" >&2
    say "  Ubuntu: ${packages[*]}; Fedora: mesa-vulkan-drivers vulkan-loader; Arch: vulkan-swrast vulkan-icd-loader" >&2
    exit 2
}

# A GPU's device node: NVIDIA, a DRM render node (AMD, Intel, ...), or WSL.
has_hardware() {
    local node
    for node in /dev/nvidia[0-9]* /dev/dri/renderD* /dev/dxg; do
        if [ -e "$node" ]; then return 0; fi
    done
    return 1
}

# Mesa's major version in a package version such as 25.0.7-2~bpo12+1 or 1:24.2.8.
is_recent() {
    local version=${1#*:}
    [ "${version%%.*}" -ge "$wanted" ] 2>/dev/null
}

installed_version() {
    # shellcheck disable=SC2016 # the fields are dpkg's
    dpkg-query --show --showformat='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^installed //p'
}

candidate_version() {
    apt-cache policy "$1" | sed -n 's/^ *Candidate: //p'
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then env "$@"; else sudo -n env "$@"; fi
}

# The archive that apt already uses for this release, with the URI that it uses.
release_uri() {
    # shellcheck disable=SC2016 # the fields are apt's
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(ORIGIN) $(COMPONENT)' 'Created-By: Packages' |
        awk -v codename="$1" '$2 == codename && $3 == "Debian" && $4 == "main" && !seen++ { print $1 }'
}

has_suite() {
    # shellcheck disable=SC2016 # the fields are apt's
    apt-get indextargets --format '$(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
        grep --line-regexp "$1 main" >/dev/null
}

enable_backports() {
    local codename=$1 uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg options=
    if has_suite "$codename-backports"; then return; fi
    uri=$(release_uri "$codename")
    [ -n "$uri" ] || give_up "apt knows no archive of Debian $codename to find its backports beside"
    [ ! -e "$keyring" ] || options="[signed-by=$keyring] "
    say "enabling $codename-backports"
    printf 'deb %s%s %s-backports main\n' "$options" "$uri" "$codename" |
        as_root tee /etc/apt/sources.list.d/onedispatch-backports.list >/dev/null
    as_root apt-get update --quiet
}

install_with_apt() {
    local codename suite=() id
    # shellcheck source=/dev/null
    . /etc/os-release
    id=${ID:-} codename=${VERSION_CODENAME:-}
    as_root true 2>/dev/null || give_up "no correct lavapipe here, and installing one needs root"
    as_root apt-get update --quiet || give_up "apt cannot reach its archive"
    if ! is_recent "$(candidate_version mesa-vulkan-drivers)"; then
        [ "$id" = debian ] || give_up "this release has no Mesa $wanted"
        enable_backports "$codename"
        suite=(--target-release "$codename-backports")
    fi
    say "installing ${packages[*]}"
    as_root DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends \
        "${suite[@]}" "${packages[@]}" || give_up "apt could not install ${packages[*]}"
    is_recent "$(installed_version mesa-vulkan-drivers)" || give_up "apt installed a Mesa older than $wanted"
}

case "${1:-}" in
    '') ;;
    --unless-hardware)
        if has_hardware; then
            say "there is a GPU here: nothing to install"
            exit 0
        fi
        ;;
    *)
        say "usage: scripts/software-vulkan.sh [--unless-hardware]" >&2
        exit 2
        ;;
esac

if [ "$(uname -s)" != Linux ]; then
    say "not Linux: the system's own GPU is used"
elif command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    if is_recent "$(installed_version mesa-vulkan-drivers)" && [ -n "$(installed_version libvulkan1)" ]; then
        say "lavapipe of Mesa $(installed_version mesa-vulkan-drivers) is installed"
    else
        install_with_apt
    fi
elif command -v vulkaninfo >/dev/null; then
    mesa=$(vulkaninfo --summary 2>/dev/null |
        awk '/llvmpipe/ { found = 1 } found && /driverInfo/ && !seen++ { print $4 }')
    is_recent "$mesa" || give_up "no lavapipe of Mesa $wanted or later among the Vulkan devices"
    say "lavapipe of Mesa $mesa is installed"
else
    give_up "cannot tell whether there is a correct lavapipe here (vulkaninfo would tell)"
fi
