#!/usr/bin/env bash
# Brings Apache Kafka (jars, from Maven Central) into a cache folder outside the checkout and prints the folder of the
# jars as its only line on standard output. Does nothing but print when what pom.xml pins is there already.
#   libs=$(deploy/kafka/fetch.sh)
# VENUECODE_CACHE names another cache folder; `venuecode` looks in the same place by itself.
set -euo pipefail

fail() {
    echo "fetch.sh: $1" >&2
    exit 1
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n '/<artifactId>kafka_2.13</,/<version>/s/.*<version>\(.*\)<\/version>.*/\1/p' "$here/pom.xml")
[ -n "$version" ] || fail "no version of Kafka in $here/pom.xml"

cache="${VENUECODE_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VENUECODE_CACHE}/.cache}/venuecode}"
# By the pom's content as well: another logging library makes another set of jars.
target="$cache/kafka-$version-$(sha256sum "$here/pom.xml" | cut -c 1-12)"

command -v java >/dev/null || fail "java is missing; install Java 17 or newer (Debian: apt-get install default-jre-headless) and run this again"
if [ -f "$target/kafka_2.13-$version.jar" ]; then
    printf '%s\n' "$target"
    exit 0
fi

command -v mvn >/dev/null || fail "mvn is missing; install Maven (Debian: apt-get install maven) and run this again"
mkdir -p "$cache"
staging=$(mktemp -d "$cache/.fetch-XXXXXX")
trap 'rm -rf "$staging"' EXIT
mvn --quiet --batch-mode --file "$here/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$staging" -DincludeScope=runtime >&2 || fail "Maven could not bring Apache Kafka $version"
[ -f "$staging/kafka_2.13-$version.jar" ] || fail "Maven brought no kafka_2.13-$version.jar"
chmod 755 "$staging"

# The rename is what makes it count: a fetch that was cut off leaves nothing that looks finished. Of two that ran at
# once the first one stays, and the second one's goes with its staging.
mv -T "$staging" "$target" 2>/dev/null || [ -f "$target/kafka_2.13-$version.jar" ] || fail "cannot write $target"
printf '%s\n' "$target"
