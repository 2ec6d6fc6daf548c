--! include codes

-- The history of a server: what it has executed since it started, or became the master. Redis names it by a replication
-- id, which changes with every restart and every promotion. A sale has the id of the history under which it was written
-- last; under another one the store may have lost writes, and renew.lua comes first.

-- INFO costs more than the other commands of a short script. That it was asked is kept in a key that is local to this
-- server (neither replicas nor the append-only file get it) and lives for a few milliseconds.
local MARKER_LIFE = 10

-- The first 52 bits of the replication id, which a double holds exactly; nil on a replica, whose data may be older than
-- what the master has acknowledged.
local function server_history()
    local info = redis.call('INFO', 'replication')
    if string.find(info, 'role:slave', 1, true) then
        return nil
    end
    return tonumber(string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x%x%x%x%x%x)'), 16)
end

local function replica_error()
    return redis.error_reply('READONLY This server is a replica.')
end

-- What to reply if the sale must not be used as it is: its history has changed, or this server is a replica. Nil if all
-- is well. A marker that lives longer than it was set to shows a clock that was set back: it counts for nothing.
local function check_history(known, marker, may_write)
    local life = redis.call('PTTL', marker)
    if life > 0 and life <= MARKER_LIFE then
        return nil
    end
    local history = server_history()
    if not history then
        return replica_error()
    end
    if history ~= known then
        return { HISTORY_CHANGED }
    end
    if may_write then
        redis.set_repl(redis.REPL_NONE)
        redis.call('SET', marker, '', 'PX', MARKER_LIFE)
        redis.set_repl(redis.REPL_ALL)
    end
    return nil
end

-- Whether the caller has seen a later state of the sale than the store has: the store has gone back, which the id of
-- its history does not show when older data was put back by hand.
local function has_gone_back(epoch, last_seq, seen_epoch, seen_last_seq)
    seen_epoch = tonumber(seen_epoch)
    return seen_epoch > epoch or (seen_epoch == epoch and tonumber(seen_last_seq) > last_seq)
end
