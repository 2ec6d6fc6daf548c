"""What each operation of the store costs Redis as lines, sales and payloads grow."""

import json

from ..measure import interleaved
from ..report import Plot, Report, Series
from ..workloads import as_data
from ..tables import Table, number

TITLE = "Cost by queue length, sales and payload"
EXECUTABLES = ("inrush-bench",)
FORMS = {
    "full": {
        "rounds": 3,
        "waiting": (10_000, 100_000, 1_000_000, 10_000_000),
        "sales": (1, 10, 100, 1_000, 10_000),
        "payload": (0, 16, 64, 256, 1_024),
    },
    "quick": {"rounds": 1, "waiting": (10_000, 100_000), "sales": (1, 100), "payload": (0, 256)},
}
OPERATIONS = ("admit", "look_up", "look_up_cancelled", "cancel", "claim", "settle")
NAMES = {
    "admit": "admit",
    "look_up": "look up",
    "look_up_cancelled": "look up, a tenth cancelled",
    "cancel": "cancel",
    "claim": "claim",
    "settle": "settle",
    "bytes": "bytes for each waiting ticket",
}

# What grows: its name, and the options of the driver.
GROWTHS = {
    "waiting": ("waiting tickets", lambda count: ["--waiting", count, "--tickets", 5_120]),
    "sales": ("sales", lambda count: ["--sales", count, "--waiting", 320_000, "--tickets", 160_000, "--batch", 16]),
    "payload": ("bytes of payload", lambda size: ["--payload", size, "--waiting", 50_000, "--tickets", 20_480]),
}

TEXT = """
Microseconds of Redis per ticket, and bytes per waiting ticket: the lowest of {rounds} interleaved rounds, because
other work on the machine can only add, and in brackets the highest. Buyer ids have 16 bytes. Queues and payloads grow
in one sale, with batches of 256. Sales are measured with 320,000 waiting buyers in total; each batch, of 16, is for
another sale than the one before.
"""

# What makes a line bend, where one does.
NOTES = """
- **Waiting tickets.** No script executes more commands in a longer queue, and the memory per ticket falls as more
  tickets share the fixed part. But buyers are spread over small hashes. An admission reaches its hash by five
  dependent memory accesses, which miss the processor's cache with ten million buyers. Profiles (`perf record` on
  Redis while 1,024,000 buyers were admitted behind 100,000, a million and ten million) confirm this: of 3.1, 3.8 and
  4.5 µs per admission, 0.9, 1.4 and 1.9 are spent in the seven functions that find the key, compare its name and open
  the small hash (`dictFind`, `memcmp`, `lpFirst` …), and no other part grew as much. A position among cancelled
  tickets needs a bitmap of its part of the queue, 512 bytes, and one number for each bit of its seq, which also miss
  the cache in a long queue. A look-up without cancelled tickets reads only the sale, and its cost does not grow.
- **Sales.** A batch for another sale than the last one finds nothing of its sale in the cache, and only its own
  tickets share the fixed cost of the script: where 32 tickets wait in each of 10,000 sales and a tenth cancels,
  batches of cancellations have three tickets. A sale with few buyers has at least 16 small hashes, so that a ticket
  takes more of them.
- **Payloads** are part of entries: each byte is received, kept, sent to the claimer, and copied at each step. The
  bytes per ticket are those of the payload plus those of a ticket without one.
"""


def run(harness, form):
    redis = harness.redis()

    def costs(options):
        redis.flush()
        done = harness.run("inrush-bench", "store-cost", "--store", redis.url, *options)
        redis.flush()
        return json.loads(done.output)

    tables, plots, data = [], [], {}
    for what, (name, options_for) in GROWTHS.items():
        sizes = getattr(form, what)
        measurements = {f"{size:,} {name}": lambda size=size: costs(options_for(size)) for size in sizes}
        results = interleaved(form.rounds, measurements, harness.log)
        spreads = dict(zip(sizes, results.values(), strict=True))
        rows = [[NAMES[key]] + [_lowest(each[key]) for each in spreads.values()] for key in OPERATIONS]
        rows.append([NAMES["bytes"]] + [number(each["bytes"].median) for each in spreads.values()])
        tables.append(Table((name, *(f"{size:,}" for size in sizes)), rows))
        lines = [Series(NAMES[key], sizes, [each[key].low for each in spreads.values()]) for key in OPERATIONS]
        growing = f"Redis as {name} grow" if what != "payload" else "Redis as payloads grow"
        plots.append(Plot(what, growing, name, "µs for each ticket", lines, x_log=what != "payload"))
        data[what] = {size: as_data(each) for size, each in spreads.items()}
    return Report(text=TEXT.format(rounds=form.rounds), tables=tables, plots=plots, data=data, notes=NOTES)


def _lowest(spread):
    return f"{number(spread.low)} (–{number(spread.high)})"
