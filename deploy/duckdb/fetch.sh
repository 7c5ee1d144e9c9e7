#!/usr/bin/env bash
# Brings DuckDB (by pip, what requirements.txt pins with hashes), which `make bench-queries` compares with, into the
# cache and prints its Python as its only line on standard output. Does nothing but print when it is there.
#   python=$(deploy/duckdb/fetch.sh)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../fetch.sh"

environment duckdb "$here/requirements.txt"
