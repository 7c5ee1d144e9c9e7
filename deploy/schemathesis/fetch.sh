#!/usr/bin/env bash
# Brings schemathesis (by pip, what requirements.txt pins with hashes) into the cache and prints its Python as its only line on
# standard output. Does nothing but print when it is there.
#   python=$(deploy/schemathesis/fetch.sh)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../fetch.sh"

need python3 "Python 3.11 or newer with venv (Debian: apt-get install python3-venv)"
# By the interpreter as well: an environment works with the one that made it.
python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
target="$cache/schemathesis-$python-$(sha256sum "$here/requirements.txt" | cut -c 1-12)"

# An environment knows its own path and cannot be renamed: that the last file is there is what makes a fetch count.
if [ ! -f "$target/complete" ]; then
    mkdir -p "$cache"
    exec 9>"$target.lock"
    flock 9
    if [ ! -f "$target/complete" ]; then
        rm -rf "$target"
        python3 -m venv "$target" >&2 || fail "python3 -m venv failed; install python3-venv and run this again"
        "$target/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes \
            --requirement "$here/requirements.txt" >&2 || fail "pip could not bring what $here/requirements.txt pins"
        touch "$target/complete"
    fi
fi
printf '%s\n' "$target/bin/python"
