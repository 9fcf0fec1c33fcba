"""Loads a CSV file of line items into DuckDB, asks TPC-H's queries 1 and 6, and prints times and exact results as JSON.

Arguments: the CSV file, the database file to make, threads, runs of each query.
"""

import json
import sys
import time

import duckdb

csv, store, threads, runs = sys.argv[1:]
db = duckdb.connect(store)
db.execute(f"SET threads = {int(threads)}")
# It would be printed between the results.
db.execute("SET enable_progress_bar = false")

start = time.perf_counter()
db.execute(
    """
    CREATE TABLE lineitem (
        l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_linenumber INTEGER, l_quantity DECIMAL(15, 2),
        l_extendedprice DECIMAL(15, 2), l_discount DECIMAL(15, 2), l_tax DECIMAL(15, 2), l_returnflag VARCHAR,
        l_linestatus VARCHAR, l_shipdate DATE, l_commitdate DATE, l_receiptdate DATE, l_shipinstruct VARCHAR,
        l_shipmode VARCHAR, l_comment VARCHAR)
    """
)
db.execute("COPY lineitem FROM '%s' (HEADER, DELIMITER ',')" % csv.replace("'", "''"))
db.execute("CHECKPOINT")
load_s = time.perf_counter() - start

Q1 = """
    SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), sum(l_extendedprice * (1 - l_discount)),
        sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), sum(l_discount), count(*)
    FROM lineitem WHERE l_shipdate <= DATE '1998-09-02'
    GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus
"""
Q6 = """
    SELECT coalesce(sum(l_extendedprice * l_discount), 0) FROM lineitem
    WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'
        AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24
"""


def asked(sql):
    """The median time of several runs in milliseconds, after one to warm up, and the rows."""
    rows, times = db.execute(sql).fetchall(), []
    for _ in range(int(runs)):
        start = time.perf_counter()
        again = db.execute(sql).fetchall()
        times.append((time.perf_counter() - start) * 1e3)
        assert again == rows, "the same query gave something else"
    return sorted(times)[len(times) // 2], rows


def group(row):
    """A line of query 1 in whole numbers."""
    flag, status, quantity, price, discounted, charge, discount, count = row
    return {
        "return_flag": flag,
        "status": status,
        "quantity": int(quantity),
        "price": int(price * 100),
        "discounted": int(discounted * 10_000),
        "charge": int(charge * 1_000_000),
        "discount": int(discount * 100),
        "count": count,
    }


q1_ms, q1 = asked(Q1)
q6_ms, q6 = asked(Q6)
found = {
    "rows": db.execute("SELECT count(*) FROM lineitem").fetchone()[0],
    "load_s": load_s,
    "q1_ms": q1_ms,
    "q6_ms": q6_ms,
    "q1": [group(row) for row in q1],
    "q6": int(q6[0][0] * 10_000),
}
print(json.dumps(found))
