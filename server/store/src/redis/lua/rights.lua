#!lua flags=no-writes
-- Lists what the user of this connection may not do, of what Inrush needs. Only asks, and changes nothing.
--
-- KEYS  none, so that every node of a cluster runs it
-- ARGV  1 a key that is named as all keys are · 2 … the channels of events
-- Reply {the missing rights, each in the words of Redis's ACL rules …}

local key = ARGV[1]

-- The commands of scripts and of Inrush itself. Redis finds the key in the arguments.
local ON_KEYS = {
    { 'append', key, '' }, { 'bitcount', key }, { 'del', key }, { 'eval', '', 1, key }, { 'evalsha', '', 1, key },
    { 'exists', key }, { 'get', key }, { 'getbit', key, 0 }, { 'getrange', key, 0, 0 }, { 'hdel', key, '' },
    { 'hexists', key, '' }, { 'hget', key, '' }, { 'hincrby', key, '', 1 }, { 'hmget', key, '' }, { 'hset', key, '', '' },
    { 'hsetnx', key, '', '' }, { 'lindex', key, 0 }, { 'lrange', key, 0, 0 }, { 'lset', key, 0, '' }, { 'ltrim', key, 0, 0 },
    { 'pttl', key }, { 'rpush', key, '' }, { 'set', key, '' }, { 'setbit', key, 0, 0 }, { 'setrange', key, 0, '' }, { 'unlink', key },
    { 'zadd', key, 0, '' }, { 'zrange', key, 0, 0 }, { 'zrem', key, '' }, { 'zscore', key, '' },
}
local WITHOUT_KEYS = { { 'info' }, { 'ping' }, { 'time' }, { 'wait', 0, 0 } }

local missing = {}
local function require_commands(commands)
    for _, command in ipairs(commands) do
        if not redis.acl_check_cmd(unpack(command)) then
            missing[#missing + 1] = '+' .. command[1]
        end
    end
end

require_commands(ON_KEYS)
if #missing == #ON_KEYS then
    missing = { '~' .. key } -- no command may touch the key: the commands themselves may be allowed
end
require_commands(WITHOUT_KEYS)
for i = 2, #ARGV do
    for _, command in ipairs({ { 'publish', ARGV[i], '' }, { 'subscribe', ARGV[i] } }) do
        if not redis.acl_check_cmd(unpack(command)) then
            missing[#missing + 1] = '+' .. command[1] .. ' &' .. ARGV[i]
        end
    end
end
return missing
