"""The polls of waiting buyers: a model of the server's policy, a run of real buyers beside it, and the model at a million."""

import json
import threading

from ..measure import Spread
from ..report import Plot, Report, Series
from ..tables import Table, number

TITLE = "The polls of a million waiting buyers are bounded"
EXECUTABLES = ("inrush", "inrush-bench")
# Buyers, tickets per second, and over how many seconds the buyers come.
FORMS = {
    "full": {"measured": (30_000, 400, 10), "modelled": ((1_000_000, 1_000), (1_000_000, 10_000))},
    "quick": {"measured": (3_000, 200, 4), "modelled": ((1_000_000, 10_000),)},
}
# Seconds at both ends that are left out where the two are compared: the measured run starts its parts one by one.
EDGE = 3
# Work of the order system, which sets the pace: so long for each entry.
MICROS = 10_000
# The courses that the table does not show.
ON_PAGE = ("measured", "model-1000")
MAX_POINTS = 150


def run(harness, form):
    buyers, pace, arrive = form.measured
    model = _model(harness, buyers, pace, arrive)
    harness.log(f"the model says {model['each']:.2f} polls of each buyer")
    real = _measure(harness, buyers, pace, arrive)
    harness.log(f"measured: {real['each']:.2f} polls of each buyer")
    large = {(n, p): _model(harness, n, p, arrive) for n, p in form.modelled}
    rows = [_row("model", buyers, pace, model), _row("measured", buyers, pace, real | {"most": model["most"]})]
    rows += [_row("model", n, p, found) for (n, p), found in large.items()]
    columns = ("", "buyers", "tickets/s", "polls of each", "polls/s at most", "stated bound, polls/s")
    span = range(EDGE, min(len(model["polls"]), len(real["polls"])) - EDGE)
    differ = Spread(tuple(real["polls"][s] / max(model["polls"][s], 1) for s in span))
    return Report(
        text=(
            "Every response to a waiting buyer says when to poll again (`server/core/src/poll_policy.rs`):"
            " after half of the expected wait, at least 0.2 s and at most 30 s, with jitter of half of it. The"
            " model simulates these polls with the server's own function and without a server. The measured"
            " run has as many real buyers with tickets, who poll a front over 16 connections as instructed,"
            f" while an order system takes {pace} tickets per second. All arrive within {arrive} s, and none"
            " polls earlier than instructed."
        ),
        tables=[Table(columns, rows)],
        plots=[_plot(f"{buyers:,} buyers", "measured", {"model": model, "measured": real})]
        + [_plot(f"{n:,} buyers at {p:,} tickets/s", f"model-{p}", {"model": found}) for (n, p), found in large.items()],
        data={
            "model": model,
            "measured": real,
            "measured_over_model_by_second": differ.as_data(),
            "million": {f"{n} at {p}": found for (n, p), found in large.items()},
        },
        notes=(
            f"Second by second, the measured polls are {differ.median:.2f} times the model's (median). The"
            " bound is buyers / 30 + 10.1 × tickets per second: a buyer far behind polls every 30 s, and every"
            " buyer polls about ten times in the last minute. A million buyers who arrive at the same instant"
            " poll at most 1.75 times as often, for some seconds. A poll of the measured run cost the front"
            f" {real['front_us_per_poll']:.0f} µs: few polls arrive at a time, and batches are small."
        ),
    )


def _model(harness, buyers, pace, arrive):
    completed = harness.run("inrush-bench", "poll-model", "--buyers", buyers, "--pace", pace, "--arrive", arrive)
    return json.loads(completed.output)


def _measure(harness, buyers, pace, arrive):
    with harness.scope() as scope:
        scope.folder = harness.folder
        redis = scope.redis()
        front = scope.front(redis)
        polls = scope.fill(redis, "line", buyers, polls=harness.folder / "polls", poll_count=buyers)
        at_once = pace * MICROS // 1_000_000
        command = ["order-stream", "--store", redis.url, "--seconds", buyers // pace + 10, "--at-once", at_once]
        command += ["--micros", MICROS, "--ceiling", 2 * at_once]
        taking = threading.Thread(target=lambda: scope.run("inrush-bench", *command))
        taking.start()
        cpu = front.cpu()
        command = ["pollers", "--front", front.address, "--tickets", polls, "--buyers", buyers, "--arrive", arrive]
        seen = json.loads(scope.run("inrush-bench", *command).output)["polls"]
        front_seconds = front.cpu() - cpu
        taking.join()
    return {
        "polls": seen,
        "each": sum(seen) / buyers,
        "front_us_per_poll": front_seconds * 1e6 / (sum(seen) + buyers),
    }


def _row(kind, buyers, pace, found):
    metrics = (found["each"], max(found["polls"]), found["most"])
    return [kind, f"{buyers:,}", f"{pace:,}", *map(number, metrics)]


def _plot(title, name, found):
    series = [_series(kind, each["polls"]) for kind, each in found.items()]
    limit = found["model"]["most"]
    return Plot(
        name, f"Polls per second of {title}", "second", "polls/s", series, limit=limit, limit_label="stated bound",
        on_page=name in ON_PAGE,
    )


def _series(name, polls):
    """Every n-th second, so that a long run makes a small picture."""
    step = -(-len(polls) // MAX_POINTS)
    return Series(name, list(range(0, len(polls), step)), polls[::step])
