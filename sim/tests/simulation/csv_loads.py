"""Loads CSV files of keystorm's into SQLite, and into pandas where it is installed, as they are, and checks what arrives.

Arguments: directories. Every *.csv below them is loaded. Exit code 3 with what is wrong, 0 with what was loaded.
"""

import csv
import pathlib
import re
import sqlite3
import sys

try:
    import pandas
except ImportError:
    pandas = None

# Columns that hold words. All others hold numbers or nothing.
WORDS = re.compile(
    r"scenario|scenario_sha256|engine|version|suite|embodiment|recovery|trace_digest|card_times|crypto|measure|phase|step|cause|fault"
    r"|scheduled|outcome|d\d+_state|nvm|layout|cut2?_(step|kind)|card_state|server_state|depth|backend|operation|machine|commit"
    r"|significant|keeps_all|slo\d+(_verdict)?|line\.loss|update\.recovery"
)
NUMBER = re.compile(r"-?\d+(\.\d+)?")
problems = []


def wrong(path, what):
    problems.append(f"{path}: {what}")


def read(path):
    """Header and rows, as any reader of RFC 4180 gets them."""
    raw = path.read_bytes()
    if raw.startswith(b"\xef\xbb\xbf") or b"\r" in raw or not raw.endswith(b"\n"):
        wrong(path, "a byte order mark, a carriage return, or no line end")
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file, strict=True))
    if len(set(header)) != len(header) or "" in header:
        wrong(path, "a column has no name, or the name of another")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            wrong(path, f"line {number} has {len(row)} cells of {len(header)}")
    return header, rows


def words_in(path, column):
    # interruptions.csv names depths "both", renewals.csv counts them.
    return bool(WORDS.fullmatch(column)) and not (path.name == "renewals.csv" and column == "depth")


def into_sqlite(db, path, header, rows):
    """Loads a file into a table of its name; every cell must get the type of its column."""
    table = '"' + path.stem + '"'
    names = ['"' + name.replace('"', '""') + '"' for name in header]
    kinds = ["TEXT" if words_in(path, name) else "NUMERIC" for name in header]
    db.execute(f"DROP TABLE IF EXISTS {table}")
    db.execute(f"CREATE TABLE {table} ({', '.join(f'{n} {k}' for n, k in zip(names, kinds))})")
    marks = ", ".join("?" * len(header))
    # An empty cell is no value: every loader has an option for that.
    cells = ([cell if cell else None for cell in row] for row in rows)
    db.executemany(f"INSERT INTO {table} VALUES ({marks})", cells)
    for name, quoted, kind in zip(header, names, kinds):
        found = {kind for (kind,) in db.execute(f"SELECT DISTINCT typeof({quoted}) FROM {table}")}
        allowed = {"text", "null"} if kind == "TEXT" else {"integer", "real", "null"}
        if not found <= allowed:
            wrong(path, f"SQLite holds {sorted(found)} in `{name}`, a column of {kind}")


def into_pandas(path, header, rows):
    """Loads a file without any option; columns of numbers must be numbers, and empty cells missing."""
    frame = pandas.read_csv(path)
    if list(frame.columns) != header or len(frame) != len(rows):
        wrong(path, f"pandas reads {frame.shape[0]} rows and {frame.shape[1]} columns")
        return
    for at, name in enumerate(header):
        cells = [row[at] for row in rows]
        if not words_in(path, name):
            if not pandas.api.types.is_numeric_dtype(frame[name]):
                wrong(path, f"pandas reads `{name}` as {frame[name].dtype}")
                continue
            expected = sum(float(cell) for cell in cells if cell)
            if abs(frame[name].sum() - expected) > 1e-9 * max(1.0, abs(expected)):
                wrong(path, f"the sum of `{name}` in pandas is {frame[name].sum()}, not {expected}")
        if int(frame[name].isna().sum()) != cells.count(""):
            wrong(path, f"`{name}` misses {frame[name].isna().sum()} values in pandas, and has {cells.count('')} empty cells")


def check_numbers(path, header, rows):
    for at, name in enumerate(header):
        if words_in(path, name):
            continue
        for number, row in enumerate(rows, 2):
            if at < len(row) and row[at] and not NUMBER.fullmatch(row[at]):
                wrong(path, f"line {number}: `{row[at]}` in `{name}` is no plain number")
                break


def check_together(db, place):
    """Files of one run agree, which they do only if units are what the names say."""
    one = lambda query: db.execute(query).fetchone()[0]
    for query in [
        "SELECT (SELECT sum(arrivals) FROM timeline) = sessions_started FROM summary",
        "SELECT (SELECT max(end_s) FROM timeline) = horizon_s FROM summary",
        "SELECT (SELECT max_ms FROM phases WHERE phase = 'auth' AND measure = 'intended') = auth_ms_max FROM summary",
        "SELECT (SELECT sum(line_bytes) FROM timeline) = line_bytes FROM summary",
        "SELECT (SELECT sum(count) FROM failures) = sessions_failed FROM summary",
        "SELECT (SELECT sum(committed) FROM renewals) = updates_committed FROM summary",
        "SELECT (SELECT count(*) FROM cards) = cards FROM summary",
        "SELECT (SELECT max(last_success_s) FROM cards) <= horizon_s + 3600 FROM summary",
        "SELECT (SELECT fired FROM faults WHERE fault = 'message loss') <= messages_lost FROM summary",
        "SELECT session_ms_p50 < 1000 * horizon_s AND session_ms_p50 > 1 FROM summary",
    ]:
        if one(query) != 1:
            wrong(place, f"not so in SQLite: {query}")


def main(places):
    loaded = set()
    for place in map(pathlib.Path, places):
        db = sqlite3.connect(":memory:")
        for path in sorted(place.rglob("*.csv")):
            header, rows = read(path)
            check_numbers(path, header, rows)
            if problems:
                continue
            into_sqlite(db, path, header, rows)
            if pandas:
                into_pandas(path, header, rows)
            loaded.add(path.name)
        if (place / "summary.csv").exists() and not problems:
            check_together(db, place)
    for problem in problems:
        print(problem)
    print("loaded into SQLite" + (" and pandas" if pandas else "") + ": " + " ".join(sorted(loaded)))
    if not pandas:
        print("skipped: pandas is not installed")
    return 3 if problems else 0


sys.exit(main(sys.argv[1:]))
