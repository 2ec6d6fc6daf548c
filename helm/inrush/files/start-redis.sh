#!/bin/sh
# Starts the bundled Redis. With Sentinel it first asks who the master is: a server that comes back as a second master, or
# as an empty one, would cost the line.
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

# What the first sentinel says that answers at all; nothing where none does.
ask() {
    node=0
    while [ "$node" -lt "$REPLICAS" ]; do
        answer=$(timeout 2 redis-cli -h "$STATEFUL_SET-$node.$NODES" -p 26379 sentinel "$@" inrush 2>/dev/null) || answer=
        [ -z "$answer" ] || break
        node=$((node + 1))
    done
    echo "$answer"
}

# The first pod is the master until sentinels know better.
master() {
    found=$(ask get-master-addr-by-name | head -n 1)
    case $found in
        *"$NODES") echo "$found" ;;
        *) echo "$first" ;;
    esac
}

# Whoever was the master and comes back waits until another is, if there is another: it has what this one may have lost.
waited=0
while [ "$(master)" = "$me" ] && [ -n "$(ask replicas)" ] && [ "$waited" -lt 60 ]; do
    sleep 1
    waited=$((waited + 1))
done

master=$(master)
{
    echo "replica-announce-ip $me"
    [ "$master" = "$me" ] || echo "replicaof $master 6379"
} >>"$conf"
exec redis-server "$conf"
