"""What watchers cost a front node: memory of each, and processor time per second while the queue moves."""

import json
import time

from ..report import Plot, Report, Series
from ..tables import Table, number

TITLE = "50,000 watchers on one front node"
EXECUTABLES = ("inrush", "inrush-bench")
FORMS = {
    "full": {"watchers": (10_000, 25_000, 50_000), "seconds": 10},
    "quick": {"watchers": (2_000, 5_000), "seconds": 4},
}
CONNECTIONS = 100
# The line is this many times as long as there are watchers, so that nearly all of them wait to the end.
LINE = 4
# Tickets per second, while it moves.
PACE = 1_000
MICROS = 10_000


def run(harness, form):
    found = {}
    for watchers in form.watchers:
        found[watchers] = _watch(harness, watchers, form.seconds)
        shown = ", ".join(f"{key} {value:,.4g}" for key, value in found[watchers].items())
        harness.log(f"{watchers:,} watchers: {shown}")
    rows = [
        [
            f"{watchers:,}",
            number(each["bytes_each"] / 1024),
            number(each["idle_front"] * 100),
            number(each["moving_front"] * 100),
            number(each["moving_redis"] * 100),
            number(each["messages"]),
            number(each["message_us"]),
            number(each["opened_in"]),
        ]
        for watchers, each in found.items()
    ]
    columns = (
        "watchers",
        "front, KiB each",
        "front while the queue rests, % of a core",
        "front while it moves, %",
        "Redis while it moves, %",
        "messages/s",
        "front, µs per message",
        "all open within, s",
    )
    names = [f"{watchers:,}" for watchers in found]
    costs = [
        Series("front, queue moves", names, [each["moving_front"] * 100 for each in found.values()]),
        Series("Redis, queue moves", names, [each["moving_redis"] * 100 for each in found.values()]),
        Series("front, queue rests", names, [each["idle_front"] * 100 for each in found.values()]),
    ]
    memory = [Series("memory", names, [each["bytes_each"] / 1024 for each in found.values()])]
    return Report(
        text=(
            f"WatchStatus streams of one front node over {CONNECTIONS} connections, one for each ticket,"
            f" spread over a queue of {LINE} times as many tickets. First the queue rests; then {PACE:,}"
            " tickets per second are claimed, and the positions of all others change. Memory is the resident"
            " memory of the front with all streams open, minus that before, divided by the number of streams:"
            " connections, HTTP/2 streams and watches."
        ),
        tables=[Table(columns, rows)],
        plots=[
            Plot("cost", "Processor time", "watchers", "% of a core", costs, kind="bar"),
            Plot("memory", "Memory of the front", "watchers", "KiB for each watcher", memory, kind="bar"),
        ],
        data={str(watchers): each for watchers, each in found.items()},
        notes=(
            "A watch looks its ticket up when a poll would be due (after half of the expected wait, within"
            " the front's bounds for watches), in one batch with all other watches of a sale and core, and"
            " sends changes. The cost therefore follows the polls of [polling](polling.md), without the"
            " requests."
        ),
    )


def _watch(harness, watchers, seconds):
    with harness.scope() as scope:
        scope.folder = harness.folder
        redis = scope.redis()
        front = scope.front(redis)
        tickets = scope.folder / f"watched-{watchers}"
        scope.fill(redis, "line", watchers * LINE, polls=tickets, poll_count=watchers)
        scope.call(front, "inrush.v1.QueueService/PollStatus", 2_000, messages=tickets)
        before = front.memory()
        command = [scope.executable("inrush-bench"), "watchers", "--front", front.address, "--tickets", tickets]
        command += ["--watchers", watchers, "--connections", CONNECTIONS, "--seconds", 600]
        driver = scope.server("watchers", command)
        opened = driver.startup_line()
        time.sleep(2)
        memory = front.memory() - before
        idle = _cost(seconds, front=front, redis=redis)
        mover = [scope.executable("inrush-bench"), "order-stream", "--store", redis.url, "--seconds", 2 * seconds + 30]
        mover += ["--at-once", PACE * MICROS // 1_000_000, "--micros", MICROS, "--ceiling", 64]
        scope.server("order-stream", mover)
        # Until the measured pace is known everywhere.
        time.sleep(5)
        sent = _messages(driver)
        moving = _cost(seconds, front=front, redis=redis)
        messages = (_messages(driver) - sent) / seconds
        return {
            "bytes_each": memory / watchers,
            "opened_in": opened["seconds"],
            "idle_front": idle["front"],
            "idle_redis": idle["redis"],
            "moving_front": moving["front"],
            "moving_redis": moving["redis"],
            "messages": messages,
            "message_us": moving["front"] * 1e6 / max(messages, 1),
        }


def _cost(seconds, **processes):
    """Processor seconds per second of each."""
    before = {name: process.cpu() for name, process in processes.items()}
    started = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - started
    return {name: (process.cpu() - before[name]) / elapsed for name, process in processes.items()}


def _messages(driver):
    """How many the driver has seen so far, to the second."""
    driver.stdout.seek(0)
    lines = [json.loads(line) for line in driver.stdout if line.endswith("\n")]
    return lines[-1].get("messages", 0)
