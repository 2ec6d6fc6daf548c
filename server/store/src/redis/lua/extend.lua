#!lua flags=allow-oom
-- Extends leases to a full lease from now, also expired ones that were not reclaimed.
--
-- KEYS  1 sale · 2 marker · 3 claimed · 4 leases · 5 claims
-- ARGV  1 now, empty for Redis's time · then for each lease: ticket, fence
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {DONE, for each lease: 1 extended · 0 lost}

--! include codes
--! include open_sale
--! include sale
--! include clock
--! include block

local FIXED_ARGS = 1

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if unusable then
    return unusable
end
local extensions = (#ARGV - FIXED_ARGS) / 2
if extensions == 0 then
    return { DONE }
end

local words = {}
for i = 1, extensions do
    words[i] = ARGV[FIXED_ARGS + 2 * i - 1]
end
local reply, leases = { DONE }, {}
local deadline = digits(now_millis(ARGV[1]) + sale.lease)
local function extend(member)
    leases[#leases + 1] = deadline
    leases[#leases + 1] = member
end

local in_blocks = {} -- block → the indexes that are extended
for i, record in ipairs(redis.call('HMGET', KEYS[3], unpack(words))) do
    local seq, wanted_fence = tonumber(words[i]), ARGV[FIXED_ARGS + 2 * i]
    local held
    if record then
        local state, fence = decode_record(record)
        held = state == 'P' and fence == tonumber(wanted_fence)
        if held then
            extend(zset_member(seq))
        end
    else
        local block = block_of(KEYS[5], wanted_fence)
        local index = index_in_block(block, seq)
        held = index ~= nil
        if held then
            in_blocks[block] = in_blocks[block] or {}
            in_blocks[block][index] = true
        end
    end
    reply[1 + i] = held and 1 or 0
end

-- A block that is extended as a whole stays a block; else the extended tickets leave it.
local records = {}
for block, indexes in pairs(in_blocks) do
    local count = 0
    for _ in pairs(indexes) do
        count = count + 1
    end
    if count == block.left then
        extend(block_member(block))
    else
        for index in pairs(indexes) do
            local seq = block.first + index - 1
            records[#records + 1] = digits(seq)
            records[#records + 1] = record_head('P', tonumber(block.fence), 1) .. entry_in_block(KEYS[5], block, index)
            extend(zset_member(seq))
            remove_from_block(block, index)
        end
    end
end
if #records > 0 then
    redis.call('HSET', KEYS[3], unpack(records))
    write_blocks(KEYS[5], KEYS[4])
end
if #leases > 0 then
    redis.call('ZADD', KEYS[4], unpack(leases))
end
return reply
