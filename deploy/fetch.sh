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

# environment NAME REQUIREMENTS: makes a Python environment in the cache with what REQUIREMENTS pins with hashes, unless it is
# there, and prints its Python as the only line on standard output.
environment() {
    need python3 "Python 3.11 or newer with venv (Debian: apt-get install python3-venv)"
    # By the interpreter as well: an environment works with the one that made it.
    local python target
    python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    target="$cache/$1-$python-$(sha256sum "$2" | cut -c 1-12)"

    # An environment knows its own path and cannot be renamed: that the last file is there is what makes a fetch count.
    if [ ! -f "$target/complete" ]; then
        mkdir -p "$cache"
        exec 9>"$target.lock"
        flock 9
        if [ ! -f "$target/complete" ]; then
            rm -rf "$target"
            python3 -m venv "$target" >&2 || fail "python3 -m venv failed; install python3-venv and run this again"
            "$target/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes \
                --requirement "$2" >&2 || fail "pip could not bring what $2 pins"
            touch "$target/complete"
        fi
    fi
    printf '%s\n' "$target/bin/python"
}
