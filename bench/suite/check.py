"""`make bench-quick`: compares the costs of the hot paths with the committed ones, in under three minutes.

A ratio is that of the lowest values of all rounds. Other work on the machine can only add processor time, so the lowest
values repeat far better than medians: over three runs beside other work, ratios of Enqueue differed by 1 to 2 %, and those
of medians by 14 to 17 %.
"""

from . import baseline, report, workloads
from .baseline import Watched
from .measure import interleaved
from .errors import BenchError

EXECUTABLES = ("inrush", "inrush-loadtest", "inrush-bench")
ROUNDS = 8
CALLS = 150_000
TICKETS = 150_000
ORDERED = 400_000
WAITING = 100_000
BATCH, BATCHES_AT_ONCE = 256, 8

# Each is a cost, then the baseline that it is divided by: the speed of the machine cancels out.
RATIOS = {
    "enqueue_front": (("enqueue", "server_us"), ("empty", "server_us")),
    "enqueue_redis": (("enqueue", "redis_us"), ("empty", "server_us")),
    "refusal_front": (("refused", "server_us"), ("empty", "server_us")),
    "poll_front": (("poll", "server_us"), ("empty", "server_us")),
    "poll_redis": (("poll", "redis_us"), ("empty", "server_us")),
    "admit_redis": (("admit", "redis_us"), ("empty", "server_us")),
    "fulfil_server": (("fulfil", "server_us"), ("empty", "server_us")),
    "fulfil_redis": (("fulfil", "redis_us"), ("empty", "server_us")),
    "load_tool": (("empty", "load_us"), ("empty", "server_us")),
}
# Tolerances are some three to eight times what the ratio differed by in three runs, which is in the comment: a run at
# another hour differs a little more. What happens in fulfilment depends on how its batches fall.
WATCHED = (
    Watched("enqueue_front", "Enqueue: front against an empty call", 0.08),  # 0.9 %
    Watched("enqueue_redis", "Enqueue: Redis against an empty call", 0.08),  # 1.7 %
    Watched("refusal_front", "refusal: front against an empty call", 0.08),  # 0.6 %
    Watched("poll_front", "PollStatus: front against an empty call", 0.08),  # 0.8 %
    Watched("poll_redis", "PollStatus: Redis against an empty call", 0.15),  # 5.6 %
    Watched("admit_redis", "admission in batches of 256: Redis against an empty call", 0.08),  # 0.7 %
    Watched("fulfil_server", "claim to settle: fulfilment against an empty call", 0.25),  # 9.7 %
    Watched("fulfil_redis", "claim to settle: Redis against an empty call", 0.2),  # 6.0 %
    Watched("load_tool", "load tool against the server that it calls", 0.1),  # 3.3 %
    Watched("bytes_per_ticket", "bytes per waiting ticket", 0.02),  # 0.1 %
)


def run(harness, rounds=None, accept=False):
    """Measures and compares with the committed ratios. Raises if one is worse. `accept` commits the new ratios first."""
    ratios = _measure(harness, rounds or ROUNDS)
    if accept:
        baseline.write(ratios, report.machine())
        harness.log(f"accepted, into {baseline.COMMITTED}")
    verdicts = baseline.compare(WATCHED, ratios, baseline.read())
    print(baseline.table(verdicts).markdown(), flush=True)
    worse = [verdict.watched.what for verdict in verdicts if verdict.worse]
    if worse:
        raise BenchError(
            f"worse than committed: {'; '.join(worse)}. Run it again to be sure; if the price is worth it,"
            " accept it with `tools/bench --check --accept`, and say why in the commit"
        )
    if any(verdict.better for verdict in verdicts):
        harness.log("some are better than committed: `tools/bench --check --accept` keeps it so")


def _measure(harness, rounds):
    results = interleaved(
        rounds,
        {
            "empty": workloads.empty(harness, CALLS),
            "enqueue": workloads.enqueue(harness, CALLS),
            "refused": workloads.refused(harness, CALLS),
            "poll": workloads.poll(harness, CALLS, WAITING),
            "admit": workloads.admit(harness, TICKETS, BATCH, BATCHES_AT_ONCE),
            "fulfil": workloads.fulfil(harness, ORDERED),
        },
        harness.log,
    )
    found = {
        name: results[cost][figure].low / results[unit][its].low
        for name, ((cost, figure), (unit, its)) in RATIOS.items()
    }
    return {**found, "bytes_per_ticket": results["admit"]["bytes"].median}
