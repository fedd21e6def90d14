"""Writes the pandas reference values that the Rust tests of lags and rolling windows compare against.

    pip install pandas==3.1.1 numpy==2.4.6
    python gen.py            # rewrites events.json beside this script

Every input is drawn with a fixed seed, so a rerun gives the same file. NaN and missing values become `null`.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

STATISTICS = ("count", "max", "mean", "min", "std", "sum")
LAGS = (1, 2, 5)
ROWS = (1, 3, 10)


def events(seed, rows, keys, gap, unit):
    """Events of several keys in no order; those of one key are at different, irregular times."""
    random = np.random.RandomState(seed)
    owner = random.choice(keys, size=rows)
    frame = pd.DataFrame({"key": owner, "x": np.round(random.normal(3.0, 20.0, rows), 3)})
    steps = random.randint(1, 2 * gap, rows)
    frame["ticks"] = 1_357_000_000 // {"s": 1, "D": 86_400, None: 1_000_000}[unit]
    frame["ticks"] += pd.Series(steps).groupby(frame["key"]).cumsum()
    frame.loc[random.rand(rows) < 0.15, "x"] = np.nan
    frame = frame.sample(frac=1, random_state=random).reset_index(drop=True)
    return frame


def features(frame, windows, unit):
    """What pandas makes of the events: by column, in the order of the rows."""
    frame = frame.sort_values("ticks", kind="stable")
    x = frame.groupby("key")["x"]
    out = {f"x_lag_{lag}": x.shift(lag) for lag in LAGS}
    for rows in ROWS:
        for statistic in STATISTICS:
            # The rows before this one, of which a missing value takes up a place.
            window = lambda s: s.shift(1).rolling(rows, min_periods=0 if statistic == "count" else 1)
            out[f"x_{statistic}_{rows}"] = x.transform(lambda s: getattr(window(s), statistic)())
    for seconds in windows:
        timed = frame.assign(time=pd.to_datetime(frame["ticks"], unit=unit), row=frame.index).set_index("time")
        for statistic in STATISTICS:
            least = 0 if statistic == "count" else 1
            rolling = timed.groupby("key")["x"].rolling(f"{seconds}s", closed="left", min_periods=least)
            values = getattr(rolling, statistic)()
            rows = timed.groupby("key")["row"].apply(lambda s: s)
            out[f"x_{statistic}_{seconds}s"] = pd.Series(values.to_numpy(), index=rows.to_numpy())
    return pd.DataFrame(out).sort_index()


def listed(values):
    return [None if pd.isna(value) else value for value in values.tolist()]


def case(name, seed, rows, keys, gap, unit, windows):
    frame = events(seed, rows, keys, gap, unit)
    # An event of each key after all of them, as it is served.
    later = pd.DataFrame({"key": keys, "x": np.nan, "ticks": frame["ticks"].max() + 1})
    served = features(pd.concat([frame, later], ignore_index=True), windows, unit).tail(len(keys))
    columns = lambda frame: {name: listed(frame[name]) for name in frame}
    return {
        "name": name,
        "unit": unit,
        "lags": LAGS,
        "rows": ROWS,
        "seconds": windows,
        "events": columns(frame),
        "expected": columns(features(frame, windows, unit)),
        "later": columns(later),
        "expected_later": columns(served),
    }


def main():
    cases = [
        case("seconds", 1, 150, ["a", "b", "c"], 40, "s", [30, 120, 3_600]),
        case("days", 2, 120, ["north", "south"], 5, "D", [86_400, 7 * 86_400]),
        case("numbers", 3, 80, ["x", "y", "z", "once"], 10, None, []),
    ]
    path = Path(__file__).parent / "events.json"
    path.write_text(json.dumps(cases, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
    print(f"pandas {pd.__version__}, numpy {np.__version__}: {path} with {len(cases)} cases")


if __name__ == "__main__":
    main()
