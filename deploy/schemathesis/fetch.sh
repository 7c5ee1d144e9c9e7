#!/usr/bin/env bash
# Brings schemathesis (by pip, what requirements.txt pins with hashes) into the cache and prints its Python as its only line on
# standard output. Does nothing but print when it is there.
#   python=$(deploy/schemathesis/fetch.sh)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../fetch.sh"

environment schemathesis "$here/requirements.txt"
