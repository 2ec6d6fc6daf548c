"""The connection of a batch to Redis: one for all, one from a pool, or one that each worker keeps."""

import json

from .. import processes
from ..load import RUN_TIMEOUT
from ..measure import interleaved, ratio
from ..report import Report
from ..tables import Table, number, span

TITLE = "Connections to Redis: multiplexed or pooled"
EXECUTABLES = ("inrush-bench",)
FORMS = {
    "full": {"rounds": 3, "batches": {1: 100_000, 16: 80_000, 256: 12_000}},
    "quick": {"rounds": 1, "batches": {16: 30_000}},
}
WORKERS = 8
WAYS = {
    "shared": "one multiplexed connection for all",
    "kept": "one for each worker, kept",
    "pool": "one from deadpool-redis for each batch",
}


def run(harness, form):
    redis = harness.redis()

    def send(way, size, batches):
        words = ["pool", "--store", redis.url, "--way", way, "--workers", WORKERS, "--batch", size, "--batches", batches]
        before = redis.cpu()
        completed = processes.run([harness.executable("inrush-bench"), *words], RUN_TIMEOUT)
        done = json.loads(completed.output)
        return {
            "rate": done["batches"] / done["seconds"],
            "caller_us": completed.cpu * 1e6 / done["batches"],
            "redis_us": (redis.cpu() - before) * 1e6 / done["batches"],
        }

    tables, data = [], {}
    for size, batches in form.batches.items():
        ways = {way: lambda way=way, size=size, batches=batches: send(way, size, batches) for way in WAYS}
        results = interleaved(form.rounds, ways, harness.log)
        rows = [
            [WAYS[way], number(each["rate"].median), number(ratio(each["rate"], results["shared"]["rate"]).median)]
            + [span(each["caller_us"]), span(each["redis_us"])]
            for way, each in results.items()
        ]
        columns = (f"{size} buyers a batch", "batches/s", "against one for all", "caller, µs a batch", "Redis, µs a batch")
        tables.append(Table(columns, rows))
        data[size] = {way: {key: spread.as_data() for key, spread in each.items()} for way, each in results.items()}
    return Report(
        text=(
            f"{WORKERS} workers on one thread, each with one batch in flight, call a script that does nothing:"
            " the benchmark measures the connection. A pool lends a connection to one borrower and pings it"
            " first, which is a second round trip for every batch. A front has one multiplexed connection on"
            " each core, which its batchers share."
        ),
        tables=tables,
        data=data,
    )
