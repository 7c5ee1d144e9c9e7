#!/usr/bin/env bash
# Brings the fonts of the posters (Noto Sans SC, regular and bold, with their licence; from npm) into the cache and
# prints their folder as its only line on standard output. Does nothing but print when the pinned version is there.
#   fonts=$(deploy/fonts/fetch.sh)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../fetch.sh"

package=@expo-google-fonts/noto-sans-sc
version=$(sed -n "s|.*\"$package\": \"\([^\"]*\)\".*|\1|p" "$here/package.json")
[ -n "$version" ] || fail "no version in $here/package.json"
target="$cache/fonts-$version"
files=(400Regular/NotoSansSC_400Regular.ttf 700Bold/NotoSansSC_700Bold.ttf LICENSE_FONT)

complete() {
    local file
    for file in "${files[@]}"; do
        [ -f "$1/$(basename "$file")" ] || return 1
    done
}

if ! complete "$target"; then
    need npm "Node.js with npm (Debian: apt-get install npm)"
    stage
    cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$staging/"
    (cd "$staging" && npm ci --no-audit --no-fund --loglevel=error) >&2 || fail "npm ci failed in $staging"
    mkdir "$staging/fonts"
    for file in "${files[@]}"; do
        cp "$staging/node_modules/$package/$file" "$staging/fonts/" || fail "$package $version has no $file"
    done
    if [ -d "$target" ]; then
        rm -rf "$target"
    fi
    mv -T "$staging/fonts" "$target" 2>/dev/null || complete "$target" || fail "cannot write $target"
fi
printf '%s\n' "$target"
