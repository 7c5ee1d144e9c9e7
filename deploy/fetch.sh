# What every fetch.sh shares; sourced by them. Sets `cache`, the folder that engines and fonts are fetched into: outside the
# checkout, and where `venuecode` looks by itself. VENUECODE_CACHE names another.
set -euo pipefail

fail() {
    echo "fetch.sh: $1" >&2
    exit 1
}

# need TOOL HOW: ends with one line when TOOL is missing.
need() {
    command -v "$1" >/dev/null || fail "$1 is missing; install $2 and run this again"
}

# stage: makes the folder `staging` beside the targets, which goes when the script ends. Renaming it is what makes a
# fetch count: one that was cut off leaves nothing that looks finished, and of two that ran at once the first one stays.
stage() {
    mkdir -p "$cache"
    staging=$(mktemp -d -p "$cache")
    chmod 755 "$staging"
    trap 'rm -rf "$staging"' EXIT
}

cache="${VENUECODE_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VENUECODE_CACHE}/.cache}/venuecode}"
