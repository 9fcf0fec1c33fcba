"""Asks DuckDB for the aggregates that `aggregates::olist` and `aggregates::flights` compute, and prints the same lines.

    pip install duckdb
    python expected.py olist FOLDER        CSV files, plain or .gz, under the sample's or Olist's names
    python expected.py flights FILE        flights.csv, plain or .zst
"""

import glob
import os
import sys

import duckdb

what, path = sys.argv[1:]
db = duckdb.connect()


def text(value):
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def one(name, sql):
    print(name, text(db.execute(sql).fetchone()[0]))


def mean(name, sql):
    value = db.execute(sql).fetchone()[0]
    print(name, "none" if value is None else "%.4f" % value)


def groups(name, sql):
    for group, value in db.execute(sql).fetchall():
        print("%s[%s] %s" % (name, group, text(value)))


def means(name, sql):
    for group, value in db.execute(sql).fetchall():
        print("%s[%s] %.4f" % (name, group, value))


def rows(name, sql):
    for row in db.execute(sql).fetchall():
        print(name, *row)


def digest(name, sql):
    """`sql` gives the value of each group as the column v."""
    one(name + ".groups", "SELECT count(*) FROM (%s)" % sql)
    one(name + ".largest", "SELECT max(v) FROM (%s)" % sql)
    one(name + ".squares", "SELECT sum(v::HUGEINT * v::HUGEINT) FROM (%s)" % sql)


def table(name, columns, *files):
    """Reads the file that is there, all cells as text; an empty table if none is."""
    found = [f for n in files for f in glob.glob(os.path.join(path, n) + "*")]
    source = "read_csv('%s', all_varchar = true, header = true, quote = '\"')" % found[0] if found else None
    listed = ", ".join(columns)
    if source:
        db.execute("CREATE TABLE %s AS SELECT %s FROM %s" % (name, listed, source))
    else:
        empty = ", ".join("NULL::VARCHAR AS " + column.split(" AS ")[-1] for column in columns)
        db.execute("CREATE TABLE %s AS SELECT %s WHERE false" % (name, empty))


CENTS = "(%s::DECIMAL(18, 2) * 100)::BIGINT AS %s"


def olist():
    table(
        "items",
        ["order_id", "order_item_id::INT AS number", "product_id", "seller_id",
         "left(shipping_limit_date, 7) AS month", CENTS % ("price", "price"), CENTS % ("freight_value", "freight")],
        "order_items.csv", "olist_order_items_dataset.csv")
    table("payments",
          ["payment_type AS kind", "payment_installments::INT AS instalments", CENTS % ("payment_value", "value")],
          "order_payments.csv", "olist_order_payments_dataset.csv")
    table("sellers", ["seller_id", "seller_state AS state"], "sellers.csv", "olist_sellers_dataset.csv")
    table("customers", ["customer_id", "customer_unique_id AS person", "customer_state AS state"],
          "customers.csv", "olist_customers_dataset.csv")
    table("products",
          ["product_id", "coalesce(product_category_name, '') AS category", "product_weight_g::INT AS weight",
           "product_photos_qty::INT AS photos"],
          "products.csv", "olist_products_dataset.csv")
    table("orders", ["order_id", "order_status AS status"], "orders.csv", "olist_orders_dataset.csv")
    table("reviews", ["review_id", "review_score::INT AS score", "review_comment_message AS message"],
          "order_reviews.csv", "olist_order_reviews_dataset.csv")

    one("items", "SELECT count(*) FROM items")
    one("items.price.sum", "SELECT sum(price) FROM items")
    mean("items.price.mean", "SELECT avg(price) FROM items")
    one("items.price.min", "SELECT min(price) FROM items")
    one("items.price.max", "SELECT max(price) FROM items")
    one("items.freight.sum", "SELECT sum(freight) FROM items")
    one("items.dear_or_far", "SELECT count(*) FROM items WHERE (price >= 100000 OR freight > 10000) AND number = 1")
    groups("items.month.count", "SELECT month, count(*) FROM items GROUP BY month ORDER BY month")
    groups("items.month.price", "SELECT month, sum(price) FROM items GROUP BY month ORDER BY month")
    digest("items.seller.price", "SELECT sum(price) AS v FROM items GROUP BY seller_id")
    digest("items.product.price", "SELECT sum(price) AS v FROM items GROUP BY product_id")
    digest("items.order.count", "SELECT count(*) AS v FROM items GROUP BY order_id")
    groups("items.best_sellers",
           "SELECT seller_id, sum(price) AS v FROM items GROUP BY seller_id ORDER BY v DESC, seller_id LIMIT 10")
    rows("items.dearest",
         "SELECT order_id, number, price FROM items ORDER BY price DESC, order_id, number LIMIT 10")
    rows("items.last", "SELECT order_id, number FROM items ORDER BY order_id DESC, number DESC LIMIT 3")
    rows("items.thousandth",
         "SELECT order_id, number FROM items WHERE number > 1 ORDER BY order_id, number LIMIT 3 OFFSET 1000")
    dear = db.execute(
        "SELECT order_id, number FROM items WHERE price > 300000 ORDER BY order_id, number LIMIT 1").fetchone()
    print("items.first_dear", *(dear or ["none"]))
    one("items.all_cost_something", "SELECT count(*) = 0 FROM items WHERE NOT price > 0")
    one("items.any_free_delivery", "SELECT count(*) > 0 FROM items WHERE freight = 0")

    one("payments", "SELECT count(*) FROM payments")
    groups("payments.kind.count", "SELECT kind, count(*) FROM payments GROUP BY kind ORDER BY kind")
    groups("payments.kind.value", "SELECT kind, sum(value) FROM payments GROUP BY kind ORDER BY kind")
    groups("payments.kind.most_instalments", "SELECT kind, max(instalments) FROM payments GROUP BY kind ORDER BY kind")
    means("payments.kind.mean_instalments", "SELECT kind, avg(instalments) FROM payments GROUP BY kind ORDER BY kind")

    one("sellers", "SELECT count(*) FROM sellers")
    groups("sellers.state", "SELECT state, count(*) FROM sellers GROUP BY state ORDER BY state")
    one("customers", "SELECT count(*) FROM customers")
    groups("customers.state", "SELECT state, count(*) FROM customers GROUP BY state ORDER BY state")
    one("customers.persons", "SELECT count(DISTINCT person) FROM customers")

    one("products", "SELECT count(*) FROM products")
    groups("products.category", "SELECT category, count(*) FROM products GROUP BY category ORDER BY category")
    one("products.weight.count", "SELECT count(weight) FROM products")
    one("products.weight.sum", "SELECT sum(weight) FROM products")
    mean("products.weight.mean", "SELECT avg(weight) FROM products")
    one("products.weight.max", "SELECT max(weight) FROM products")
    one("products.photos.sum", "SELECT sum(photos) FROM products")

    one("orders", "SELECT count(*) FROM orders")
    groups("orders.status", "SELECT status, count(*) FROM orders GROUP BY status ORDER BY status")
    one("reviews", "SELECT count(*) FROM reviews")
    groups("reviews.score", "SELECT score, count(*) FROM reviews GROUP BY score ORDER BY score")
    mean("reviews.score.mean", "SELECT avg(score::INT) FROM reviews")
    one("reviews.texts", "SELECT count(message) FROM reviews")


def flights():
    db.execute(
        "CREATE TABLE flights AS SELECT row_number() OVER () - 1 AS line, month::INT AS month, day::INT AS day,"
        " dep_delay::INT AS dep, arr_delay::INT AS arr, carrier, flight::INT AS flight, origin, dest,"
        " air_time::INT AS air, distance::INT AS distance FROM read_csv('%s', all_varchar = true, header = true,"
        " nullstr = 'NA')" % path)
    one("flights", "SELECT count(*) FROM flights")
    groups("month.count", "SELECT month, count(*) FROM flights GROUP BY month ORDER BY month")
    groups("carrier.count", "SELECT carrier, count(*) FROM flights GROUP BY carrier ORDER BY carrier")
    means("carrier.arrival_delay",
          "SELECT carrier, avg(arr) FROM flights WHERE arr IS NOT NULL GROUP BY carrier ORDER BY carrier")
    groups("origin.miles", "SELECT origin, sum(distance) FROM flights GROUP BY origin ORDER BY origin")
    digest("route", "SELECT count(*) AS v FROM flights GROUP BY origin, dest")
    one("departure_delay.sum", "SELECT sum(dep) FROM flights")
    mean("departure_delay.mean", "SELECT avg(dep) FROM flights")
    one("departure_delay.min", "SELECT min(dep) FROM flights")
    one("departure_delay.max", "SELECT max(dep) FROM flights")
    mean("air_time.mean", "SELECT avg(air) FROM flights")
    one("late_in_summer", "SELECT count(*) FROM flights WHERE (dep > 60 OR arr > 120) AND month BETWEEN 6 AND 8")
    one("cancelled", "SELECT count(*) FROM flights WHERE dep IS NULL")
    rows("latest",
         "SELECT carrier, flight, dep FROM flights WHERE dep IS NOT NULL ORDER BY dep DESC, month, day, line LIMIT 5")
    rows("from_the_end",
         "SELECT line, carrier, flight FROM flights WHERE line >= 300000 ORDER BY line DESC LIMIT 3 OFFSET 1000")
    one("first_very_late", "SELECT min(line) FROM flights WHERE arr > 900")
    one("all_go_somewhere", "SELECT count(*) = 0 FROM flights WHERE NOT (distance > 0 AND origin <> dest)")


{"olist": olist, "flights": flights}[what]()
