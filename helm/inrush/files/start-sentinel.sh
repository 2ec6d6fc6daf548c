#!/bin/sh
# Starts the sentinel beside the bundled Redis. Its state is in its file for the lifetime of the pod.
set -eu
umask 077

conf=/run/inrush/sentinel.conf
me="$POD_NAME.$NODES"

# The master according to the other sentinels; the first pod if none answers.
master() {
    node=0
    while [ "$node" -lt "$REPLICAS" ]; do
        found=$(timeout 2 redis-cli -h "$STATEFUL_SET-$node.$NODES" -p 26379 \
            sentinel get-master-addr-by-name inrush 2>/dev/null | head -n 1) || found=
        case $found in *"$NODES") echo "$found" && return ;; esac
        node=$((node + 1))
    done
    echo "$STATEFUL_SET-0.$NODES"
}

# A sentinel does not start unless the master's name resolves.
master=$(master)
waited=0
while ! getent hosts "$master" >/dev/null && [ "$waited" -lt 60 ]; do
    sleep 1
    waited=$((waited + 1))
done

if [ ! -f "$conf" ]; then
    cat >"$conf" <<END
port 26379
dir /run/inrush
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $me
sentinel monitor inrush $master 6379 $((REPLICAS / 2 + 1))
sentinel auth-pass inrush $REDIS_PASSWORD
sentinel down-after-milliseconds inrush 5000
sentinel failover-timeout inrush 10000
sentinel parallel-syncs inrush 1
END
fi
exec redis-server "$conf" --sentinel
