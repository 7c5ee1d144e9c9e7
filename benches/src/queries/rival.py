"""Answers the questions of `make bench-queries` with DuckDB, one after the other.

Standard input is JSON: [{"sqls": [text, …], "times": n}, …]. The last line of standard output is JSON: the version, how
many bytes the table takes, and for each question what every text said, the milliseconds of each time and the CPU of all.
"""

import json
import os
import sys
import time

import duckdb

MOST_S = 60
database, parquet, scratch = sys.argv[1:4]
questions = json.load(sys.stdin)
connection = duckdb.connect(database, config={"temp_directory": scratch, "memory_limit": "8GB"})
connection.execute(f"CREATE TABLE plain AS SELECT * FROM read_parquet('{parquet}')")
connection.execute("CHECKPOINT")

answers = []
for question in questions:
    said = [list(map(int, connection.execute(sql).fetchone())) for sql in question["sqls"]]
    cpu, began, took = time.process_time(), time.perf_counter(), []
    while len(took) < question["times"] and (not took or time.perf_counter() - began < MOST_S):
        start = time.perf_counter()
        connection.execute(question["sqls"][len(took) % len(question["sqls"])]).fetchall()
        took.append((time.perf_counter() - start) * 1000)
    answers.append({"said": said, "ms": took, "cpu_ms": (time.process_time() - cpu) * 1000})
size = os.path.getsize(database)
print(json.dumps({"version": duckdb.__version__, "bytes": size, "answers": answers}))
