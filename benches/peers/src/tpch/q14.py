"""Asks DuckDB for TPC-H's query 14 as two exact sums, in hundredths of cents: those of promoted parts, and of all.

    pip install duckdb tpchgen-cli
    tpchgen-cli csv -s 0.1 --tables lineitem,part --output-dir FOLDER
    python q14.py FOLDER
"""

import sys

import duckdb

folder = sys.argv[1]
db = duckdb.connect()
for table in ["lineitem", "part"]:
    db.execute("CREATE TABLE %s AS SELECT * FROM read_csv('%s/%s.csv', all_varchar = true)" % (table, folder, table))
promoted, all_parts = db.execute(
    """
    SELECT sum(CASE WHEN p_type LIKE 'PROMO%' THEN revenue ELSE 0 END), sum(revenue)
    FROM (
        SELECT p_type, l_extendedprice::DECIMAL(15, 2) * (1 - l_discount::DECIMAL(15, 2)) AS revenue
        FROM lineitem JOIN part ON l_partkey = p_partkey
        WHERE l_shipdate::DATE >= DATE '1995-09-01' AND l_shipdate::DATE < DATE '1995-10-01')
    """
).fetchone()
print(int(promoted * 10_000), int(all_parts * 10_000))
