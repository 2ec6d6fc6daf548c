#!/bin/sh
# Starts the bundled Redis. With Sentinel it first queries the current master: a server that restarts as a second or an
# empty master would lose the queue.
set -eu
umask 077

conf=/run/inrush/redis.conf
me="$POD_NAME.$NODES"
first="$STATEFUL_SET-0.$NODES"

{
    cat /etc/inrush/redis.conf
    echo "maxmemory $MAX_MEMORY"
    echo "appendonly $APPEND_ONLY"
    echo "appendfsync $APPEND_FSYNC"
    echo "requirepass $REDIS_PASSWORD"
    echo "masterauth $REDIS_PASSWORD"
} >"$conf"

[ "$MODE" = sentinel ] || exec redis-server "$conf"

# The reply of the first sentinel that answers; empty if none answers.
query_sentinel() {
    node=0
    while [ "$node" -lt "$REPLICAS" ]; do
        answer=$(timeout 2 redis-cli -h "$STATEFUL_SET-$node.$NODES" -p 26379 sentinel "$@" inrush 2>/dev/null) || answer=
        [ -z "$answer" ] || break
        node=$((node + 1))
    done
    echo "$answer"
}

# The first pod is the master unless the sentinels name another.
master() {
    found=$(query_sentinel get-master-addr-by-name | head -n 1)
    case $found in
        *"$NODES") echo "$found" ;;
        *) echo "$first" ;;
    esac
}

# A restarted master waits for the failover to a replica, if there is one: the replica may have newer data.
waited=0
while [ "$(master)" = "$me" ] && [ -n "$(query_sentinel replicas)" ] && [ "$waited" -lt 60 ]; do
    sleep 1
    waited=$((waited + 1))
done

master=$(master)
{
    echo "replica-announce-ip $me"
    [ "$master" = "$me" ] || echo "replicaof $master 6379"
} >>"$conf"
exec redis-server "$conf"
