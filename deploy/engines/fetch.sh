#!/usr/bin/env bash
# Brings the embedded ClickHouse (libchdb, from npm) into a cache folder outside the checkout and prints the path of
# the library as its only line on standard output. Does nothing but print when the pinned version is there already.
#   library=$(deploy/engines/fetch.sh)
# VENUECODE_CACHE names another cache folder; `venuecode` looks in the same place by itself.
set -euo pipefail

fail() {
    echo "fetch.sh: $1" >&2
    exit 1
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's/.*"@chdb\/lib-linux-x64-gnu": "\([^"]*\)".*/\1/p' "$here/clickhouse/package.json")
[ -n "$version" ] || fail "no version in $here/clickhouse/package.json"

cache="${VENUECODE_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VENUECODE_CACHE}/.cache}/venuecode}"
target="$cache/clickhouse-$version"

library() {
    local file
    for file in "$target"/node_modules/@chdb/lib-*/libchdb.*; do
        if [ -f "$file" ]; then
            printf '%s\n' "$file"
            return 0
        fi
    done
    return 1
}

library && exit 0

command -v npm >/dev/null || fail "npm is missing; install Node.js with npm (Debian: apt-get install npm) and run this again"
mkdir -p "$cache"
staging=$(mktemp -d "$cache/.fetch-XXXXXX")
trap 'rm -rf "$staging"' EXIT
cp "$here/clickhouse/package.json" "$here/clickhouse/package-lock.json" "$here/clickhouse/.npmrc" "$staging/"
(cd "$staging" && npm ci --no-audit --no-fund --loglevel=error) >&2 || fail "npm ci failed in $staging"
chmod 755 "$staging"

# The rename is what makes it count: a fetch that was cut off leaves nothing that looks finished, and of two that ran
# at once the first one stays.
if [ -d "$target" ] && ! library >/dev/null; then
    rm -rf "$target"
fi
[ -d "$target" ] || mv "$staging" "$target"
library || fail "npm has no ClickHouse library for $(uname -sm); install a clickhouse binary on PATH instead"
