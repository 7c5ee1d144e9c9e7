#!/usr/bin/env bash
# Brings the embedded ClickHouse (libchdb, from npm) into the cache and prints the path of the library as its only line
# on standard output. Does nothing but print when the pinned version is there already.
#   library=$(deploy/engines/fetch.sh)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../fetch.sh"

version=$(sed -n 's/.*"@chdb\/lib-linux-x64-gnu": "\([^"]*\)".*/\1/p' "$here/clickhouse/package.json")
[ -n "$version" ] || fail "no version in $here/clickhouse/package.json"
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

need npm "Node.js with npm (Debian: apt-get install npm)"
stage
cp "$here/clickhouse/package.json" "$here/clickhouse/package-lock.json" "$here/clickhouse/.npmrc" "$staging/"
(cd "$staging" && npm ci --no-audit --no-fund --loglevel=error) >&2 || fail "npm ci failed in $staging"

if [ -d "$target" ] && ! library >/dev/null; then
    rm -rf "$target"
fi
[ -d "$target" ] || mv "$staging" "$target"
library || fail "npm has no ClickHouse library for $(uname -sm); install a clickhouse binary on PATH instead"
