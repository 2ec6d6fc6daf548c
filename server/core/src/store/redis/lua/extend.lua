#!lua flags=allow-oom
-- Lets leases last a full lease from now, also such that have ended and were not taken back.
--
-- KEYS  1 sale · 2 claimed · 3 leases
-- ARGV  1 now, empty for Redis's time · then for each lease: ticket, fence
-- Reply {NO_SALE}
--       {DONE, for each lease: 1 extended · 0 lost}

--! include codes
--! include sale
--! include clock
--! include record

local FIXED_ARGS = 1

local sale = load_sale(KEYS[1])
if not sale.epoch then
    return { NO_SALE }
end
local extensions = (#ARGV - FIXED_ARGS) / 2
if extensions == 0 then
    return { DONE }
end

local seqs = {}
for i = 1, extensions do
    seqs[i] = ARGV[FIXED_ARGS + 2 * i - 1]
end
local reply, leases = { DONE }, {}
local deadline = digits(now_millis(ARGV[1]) + sale.lease)
for i, record in ipairs(redis.call('HMGET', KEYS[2], unpack(seqs))) do
    local state, fence = decode_record(record or '')
    local held = state == 'P' and fence == tonumber(ARGV[FIXED_ARGS + 2 * i])
    if held then
        leases[#leases + 1] = deadline
        leases[#leases + 1] = member_of(tonumber(seqs[i]))
    end
    reply[1 + i] = held and 1 or 0
end
if #leases > 0 then
    redis.call('ZADD', KEYS[3], unpack(leases))
end
return reply
