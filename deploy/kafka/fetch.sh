#!/usr/bin/env bash
# Brings Apache Kafka (jars, by Maven) into the cache and prints the folder of the jars as its only line on standard
# output. Does nothing but print when what pom.xml pins is there already.
#   libs=$(deploy/kafka/fetch.sh)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../fetch.sh"

version=$(sed -n '/<artifactId>kafka_2.13</,/<version>/s/.*<version>\(.*\)<\/version>.*/\1/p' "$here/pom.xml")
[ -n "$version" ] || fail "no version of Kafka in $here/pom.xml"
# By the pom's content as well: another logging library makes another set of jars.
target="$cache/kafka-$version-$(sha256sum "$here/pom.xml" | cut -c 1-12)"

need java "Java 17 or newer (Debian: apt-get install default-jre-headless)"
if [ -f "$target/kafka_2.13-$version.jar" ]; then
    printf '%s\n' "$target"
    exit 0
fi

need mvn "Maven (Debian: apt-get install maven)"
stage
mvn --quiet --batch-mode --file "$here/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$staging" -DincludeScope=runtime >&2 || fail "Maven could not bring Apache Kafka $version"
[ -f "$staging/kafka_2.13-$version.jar" ] || fail "Maven brought no kafka_2.13-$version.jar"

mv -T "$staging" "$target" 2>/dev/null || [ -f "$target/kafka_2.13-$version.jar" ] || fail "cannot write $target"
printf '%s\n' "$target"
