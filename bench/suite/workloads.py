"""Workloads that several scenarios measure. Each function sets one up and returns a function that runs one round of it.

A round returns metrics by name: `rate` is calls (tickets, messages, jobs) per second; `load_us`, `server_us` and `redis_us` are microseconds of
processor time for each; `bytes` is memory for each.
"""

import json

from . import load, processes, tools
from .measure import Spread
from .errors import BenchError

SALE = "phone"
# Commands that a front sends to Redis; INFO also counts those that scripts run.
SENT = ("evalsha", "eval", "script|load", "publish", "subscribe", "psubscribe", "unsubscribe")


def empty(harness, calls, runtime="multi"):
    """The empty unary call on stock tonic."""
    echo = harness.echo(runtime)
    return lambda: harness.call(echo, load.EMPTY, calls, watch={"server": echo}).metrics()


def enqueue(harness, calls):
    """Enqueue, through a front with default settings and a Redis, into a sale that has a unit for each buyer."""
    redis = harness.redis()
    front = harness.front(redis)
    buyers = harness.enqueues(SALE, calls)
    watch = {"server": front, "redis": redis}

    def measure():
        redis.flush()
        harness.create_sale(front, SALE, calls)
        before = redis.used_memory()
        metrics = harness.call(front, load.ENQUEUE, calls, messages=buyers, watch=watch).metrics()
        if (admitted := _admitted(harness, front)) != calls:
            raise BenchError(f"{admitted} of {calls} buyers were admitted")
        return {**metrics, "bytes": (redis.used_memory() - before) / calls}

    return measure


def one_script(harness, calls):
    """Enqueue through a simple front that runs one script per call."""
    redis = harness.redis()
    front = harness.one_script(redis)
    buyers = harness.enqueues(SALE, calls)
    watch = {"server": front, "redis": redis}

    def measure():
        redis.flush()
        before = redis.used_memory()
        metrics = harness.call(front, load.ENQUEUE, calls, messages=buyers, watch=watch).metrics()
        if redis.command("HGET", f"{{{SALE}}}:buyers", "") != str(calls):
            raise BenchError("not all buyers were admitted")
        return {**metrics, "bytes": (redis.used_memory() - before) / calls}

    return measure


def refused(harness, calls):
    """Enqueue in a sale that is sold out, by buyers who have no ticket.

    `redis_commands` is what the front sent per refusal, `commands_in_scripts` what its scripts ran.
    """
    redis = harness.redis()
    front = harness.front(redis)
    harness.create_sale(front, SALE, 1)
    harness.call(front, load.ENQUEUE, 1, messages=harness.enqueues(SALE, 1), in_flight=1, connections=1)
    buyers = harness.enqueues(SALE, calls, first=1)
    watch = {"server": front, "redis": redis}
    # Warm up: the first refusals of each core come from Redis and fill its sold-out gate.
    harness.call(front, load.ENQUEUE, calls // 10, messages=buyers)

    def measure():
        before = redis.commands()
        metrics = harness.call(front, load.ENQUEUE, calls, messages=buyers, watch=watch).metrics()
        completed = {name: count - before.get(name, 0) for name, count in redis.commands().items()}
        metrics["redis_commands"] = sum(completed[name] for name in completed if name in SENT) / calls
        metrics["commands_in_scripts"] = sum(completed[name] for name in completed if name not in SENT) / calls
        if (admitted := _admitted(harness, front)) != 1:
            raise BenchError(f"{admitted} buyers were admitted where one unit was for sale")
        return metrics

    return measure


def poll(harness, calls, waiting):
    """PollStatus with `waiting` tickets in the queue, for tickets spread over the whole queue."""
    redis = harness.redis()
    front = harness.front(redis)
    polls = harness.fill(redis, SALE, waiting, polls=harness.folder / f"polls-{waiting}")
    watch = {"server": front, "redis": redis}
    return lambda: harness.call(front, load.POLL_STATUS, calls, messages=polls, watch=watch).metrics()


def admit(harness, tickets, batch, in_flight):
    """Batches admitted by the store alone, `in_flight` at a time: Redis time and memory per ticket."""
    redis = harness.redis()

    def measure():
        redis.flush()
        cpu, memory = redis.cpu(), redis.used_memory()
        harness.fill(redis, SALE, tickets, "--batch", batch, "--batches-in-flight", in_flight)
        return {"redis_us": (redis.cpu() - cpu) * 1e6 / tickets, "bytes": (redis.used_memory() - memory) / tickets}

    return measure


def floor(harness, tickets, batch, in_flight):
    """Batches of a script that does nothing, `in_flight` at a time."""
    redis = harness.redis()

    def measure():
        cpu = redis.cpu()
        options = ["--tickets", tickets, "--batch", batch, "--batches-in-flight", in_flight]
        harness.run("inrush-bench", "floor", "--store", redis.url, *options)
        return {"redis_us": (redis.cpu() - cpu) * 1e6 / tickets}

    return measure


def fulfil(harness, tickets, streams=1):
    """A whole queue claimed, streamed to an order system that does nothing, and settled."""
    redis = harness.redis()

    def measure():
        redis.flush()
        harness.fill(redis, SALE, tickets)
        cpu = redis.cpu()
        words = ["fulfil", "--store", redis.url, "--tickets", tickets, "--streams", streams]
        completed = harness.run("inrush-bench", *words)
        redis_us = (redis.cpu() - cpu) * 1e6 / tickets
        rate = tickets / json.loads(completed.output)["seconds"]
        return {"rate": rate, "server_us": completed.cpu * 1e6 / tickets, "redis_us": redis_us}

    return measure


def nats(harness, messages):
    """Acknowledged publishes to a capped JetStream stream in memory, with at most one message per subject."""
    tools.nats_server()

    def measure():
        with harness.scope() as scope:
            server = scope.nats()
            memory, cpu = server.memory(), server.cpu()
            words = ["nats", "--server", server.address, "--messages", messages, "--in-flight", load.IN_FLIGHT]
            completed = scope.run("inrush-bench", *words)
            result = json.loads(completed.output)
            return {
                "rate": messages / result["seconds"],
                "load_us": completed.cpu * 1e6 / messages,
                "server_us": (server.cpu() - cpu) * 1e6 / messages,
                "bytes": (server.memory() - memory) / messages,
            }

    return measure


def bullmq(harness, jobs):
    """Jobs added to a BullMQ queue one per call, many calls in flight; the id of a job is the buyer."""
    redis = harness.redis()
    driver = tools.node_driver("bullmq")

    def measure():
        redis.flush()
        memory, cpu = redis.used_memory(), redis.cpu()
        completed = processes.run([*driver, redis.port, jobs, load.IN_FLIGHT], load.RUN_TIMEOUT)
        return {
            "rate": jobs / json.loads(completed.output)["seconds"],
            "load_us": completed.cpu * 1e6 / jobs,
            "redis_us": (redis.cpu() - cpu) * 1e6 / jobs,
            "bytes": (redis.used_memory() - memory) / jobs,
        }

    return measure


def _admitted(harness, front):
    return harness.sale(front, "show", SALE)["ledger"]["admitted"]["tickets"]


def as_data(results):
    """Nested dictionaries of spreads, for JSON."""
    if isinstance(results, Spread):
        return results.as_data()
    return {name: as_data(each) for name, each in results.items()}
