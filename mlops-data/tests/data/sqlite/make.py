"""Writes types.db beside this file, with Python's sqlite3: rows that tests/sql_sqlite.rs knows."""
import datetime
import pathlib
import sqlite3
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # the adapters for dates, which are what is wanted
path = pathlib.Path(__file__).with_name("types.db")
path.unlink(missing_ok=True)
db = sqlite3.connect(path)
db.execute(
    'CREATE TABLE "Mixed ""case""" (id INTEGER PRIMARY KEY, small SMALLINT, ratio DOUBLE PRECISION, price DECIMAL(10, 2),'
    " name VARCHAR(20), raw BLOB, ok BOOLEAN, day DATE, at TIMESTAMP, clock TIME, loose)"
)
row = 'INSERT INTO "Mixed ""case""" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'
day, at = datetime.date(2013, 1, 31), datetime.datetime(2013, 1, 31, 5, 17, 0, 250000)
db.execute(row, (1, 7, 0.1, 12.5, "Zoë 'Z'\n", b"\x00\xff", True, day, at, "05:17:00", 1))
db.execute(row, (2,) + (None,) * 10)
leap = datetime.datetime(2016, 2, 29, 23, 59, 59)
db.execute(row, (-(2**63), -5, 2**60, 3, "", b"", False, datetime.date(1969, 12, 31), leap, "23:59:59.5", 2.5))
db.execute("CREATE TABLE bad (id INTEGER, n INTEGER, day DATE, mixed)")
db.execute("INSERT INTO bad VALUES (1, 1, '2013-01-01', 1), (2, 'many', '31.1.2013', 'one'), (3, 3, '2013-01-03', 2)")
db.commit()
db.execute("VACUUM")
db.close()
