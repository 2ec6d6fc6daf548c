"""What several scenarios measure, each as a function that makes one round of it and returns its figures.

`rate` is calls (tickets, messages, jobs) per second; `load_us`, `server_us` and `redis_us` are microseconds of
processor time for each; `bytes` is memory for each.
"""

import json

from . import load, processes, tools
from .measure import Spread
from .problem import Problem

SALE = "phone"
# What a front sends to Redis; INFO also counts what scripts run.
SENT = ("evalsha", "eval", "script|load", "publish", "subscribe", "psubscribe", "unsubscribe")


def empty(rig, calls, runtime="multi"):
    """The empty unary call on stock tonic."""
    echo = rig.echo(runtime)
    return lambda: rig.call(echo, load.EMPTY, calls, watch={"server": echo}).figures()


def enqueue(rig, calls):
    """Enqueue, through a front with default settings and a Redis, into a sale that has a unit for each buyer."""
    redis = rig.redis()
    front = rig.front(redis)
    buyers = rig.enqueues(SALE, calls)
    watch = {"server": front, "redis": redis}

    def measure():
        redis.flush()
        rig.create_sale(front, SALE, calls)
        before = redis.used_memory()
        figures = rig.call(front, load.ENQUEUE, calls, messages=buyers, watch=watch).figures()
        if (admitted := _admitted(rig, front)) != calls:
            raise Problem(f"{admitted} of {calls} buyers were admitted")
        return {**figures, "bytes": (redis.used_memory() - before) / calls}

    return measure


def one_script(rig, calls):
    """Enqueue, through the front that a team writes in a week."""
    redis = rig.redis()
    front = rig.one_script(redis)
    buyers = rig.enqueues(SALE, calls)
    watch = {"server": front, "redis": redis}

    def measure():
        redis.flush()
        before = redis.used_memory()
        figures = rig.call(front, load.ENQUEUE, calls, messages=buyers, watch=watch).figures()
        if redis.command("HGET", f"{{{SALE}}}:buyers", "") != str(calls):
            raise Problem("not all buyers were admitted")
        return {**figures, "bytes": (redis.used_memory() - before) / calls}

    return measure


def refused(rig, calls):
    """Enqueue in a sale that is sold out, by buyers who are not in line.

    `redis_commands` are those that the front sent for each refusal, `commands_in_scripts` what these ran.
    """
    redis = rig.redis()
    front = rig.front(redis)
    rig.create_sale(front, SALE, 1)
    rig.call(front, load.ENQUEUE, 1, messages=rig.enqueues(SALE, 1), in_flight=1, connections=1)
    buyers = rig.enqueues(SALE, calls, first=1)
    watch = {"server": front, "redis": redis}
    # The first refusals of each core come from Redis and tell it that the sale is sold out.
    rig.call(front, load.ENQUEUE, calls // 10, messages=buyers)

    def measure():
        before = redis.commands()
        figures = rig.call(front, load.ENQUEUE, calls, messages=buyers, watch=watch).figures()
        ran = {name: count - before.get(name, 0) for name, count in redis.commands().items()}
        figures["redis_commands"] = sum(ran[name] for name in ran if name in SENT) / calls
        figures["commands_in_scripts"] = sum(ran[name] for name in ran if name not in SENT) / calls
        if (admitted := _admitted(rig, front)) != 1:
            raise Problem(f"{admitted} buyers were admitted where one unit was for sale")
        return figures

    return measure


def poll(rig, calls, waiting):
    """PollStatus in a line of so many waiting tickets; asked of tickets all over the line."""
    redis = rig.redis()
    front = rig.front(redis)
    polls = rig.fill(redis, SALE, waiting, polls=rig.folder / f"polls-{waiting}")
    watch = {"server": front, "redis": redis}
    return lambda: rig.call(front, load.POLL_STATUS, calls, messages=polls, watch=watch).figures()


def admit(rig, tickets, batch, in_flight):
    """Batches admitted by the store alone, so many at once: what each ticket costs Redis, in time and memory."""
    redis = rig.redis()

    def measure():
        redis.flush()
        cpu, memory = redis.cpu(), redis.used_memory()
        rig.fill(redis, SALE, tickets, "--batch", batch, "--batches-in-flight", in_flight)
        return {"redis_us": (redis.cpu() - cpu) * 1e6 / tickets, "bytes": (redis.used_memory() - memory) / tickets}

    return measure


def floor(rig, tickets, batch, in_flight):
    """Batches of a script that does nothing, so many at once."""
    redis = rig.redis()

    def measure():
        cpu = redis.cpu()
        options = ["--tickets", tickets, "--batch", batch, "--batches-in-flight", in_flight]
        rig.run("inrush-bench", "floor", "--store", redis.url, *options)
        return {"redis_us": (redis.cpu() - cpu) * 1e6 / tickets}

    return measure


def fulfil(rig, tickets, streams=1):
    """A whole line claimed, streamed to an order system that does nothing, and settled."""
    redis = rig.redis()

    def measure():
        redis.flush()
        rig.fill(redis, SALE, tickets)
        cpu = redis.cpu()
        words = ["fulfil", "--store", redis.url, "--tickets", tickets, "--streams", streams]
        ran = rig.run("inrush-bench", *words)
        redis_us = (redis.cpu() - cpu) * 1e6 / tickets
        rate = tickets / json.loads(ran.output)["seconds"]
        return {"rate": rate, "server_us": ran.cpu * 1e6 / tickets, "redis_us": redis_us}

    return measure


def nats(rig, messages):
    """Acknowledged publishes to a capped JetStream stream in memory, with a message at most for each subject."""
    tools.nats_server()

    def measure():
        with rig.part() as part:
            server = part.nats()
            memory, cpu = server.memory(), server.cpu()
            words = ["nats", "--server", server.address, "--messages", messages, "--in-flight", load.IN_FLIGHT]
            ran = part.run("inrush-bench", *words)
            told = json.loads(ran.output)
            return {
                "rate": messages / told["seconds"],
                "load_us": ran.cpu * 1e6 / messages,
                "server_us": (server.cpu() - cpu) * 1e6 / messages,
                "bytes": (server.memory() - memory) / messages,
            }

    return measure


def bullmq(rig, jobs):
    """Jobs added to a BullMQ queue one by one, many at a time; the id of a job is the buyer."""
    redis = rig.redis()
    driver = tools.node_driver("bullmq")

    def measure():
        redis.flush()
        memory, cpu = redis.used_memory(), redis.cpu()
        ran = processes.run([*driver, redis.port, jobs, load.IN_FLIGHT], load.ENDS_WITHIN)
        return {
            "rate": jobs / json.loads(ran.output)["seconds"],
            "load_us": ran.cpu * 1e6 / jobs,
            "redis_us": (redis.cpu() - cpu) * 1e6 / jobs,
            "bytes": (redis.used_memory() - memory) / jobs,
        }

    return measure


def _admitted(rig, front):
    return rig.sale(front, "show", SALE)["ledger"]["admitted"]["tickets"]


def as_data(taken):
    """Spreads by name, of any depth, for JSON."""
    if isinstance(taken, Spread):
        return taken.as_data()
    return {name: as_data(each) for name, each in taken.items()}
