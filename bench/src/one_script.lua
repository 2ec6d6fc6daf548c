-- Takes one buyer in: the script that a front writes first.
--
-- KEYS  1 hash: buyer → number, and under "" the last number · 2 stream of the entries
-- ARGV  1 buyer · 2 units · 3 payload · 4 cap in tickets
-- Reply {number, 1 if the buyer had it before}, or {0, 0} when sold out

local had = redis.call('HGET', KEYS[1], ARGV[1])
if had then
    return { tonumber(had), 1 }
end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then
    return { 0, 0 }
end
local number = redis.call('HINCRBY', KEYS[1], '', 1)
redis.call('HSET', KEYS[1], ARGV[1], number)
redis.call('XADD', KEYS[2], '*', 'buyer', ARGV[1], 'units', ARGV[2], 'payload', ARGV[3], 'number', number)
return { number, 0 }
