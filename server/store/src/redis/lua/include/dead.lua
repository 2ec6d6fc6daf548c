--! include entry
--! include ledger
--! include record

-- The dead tickets among those in `words`, in their order: { word, entry, units, index in `words` }. Nil if a record
-- cannot be read.
local function find_dead(words, claimed)
    local dead, seen = {}, {}
    for i, record in ipairs(redis.call('HMGET', claimed, unpack(words))) do
        local state, _, _, start = decode_record(record or '')
        if state == 'D' and not seen[words[i]] then
            local units = units_of(record, start)
            if not units then
                return nil
            end
            seen[words[i]] = true
            dead[#dead + 1] = { word = words[i], entry = string.sub(record, start), units = units, index = i }
        end
    end
    return dead
end

-- Removes tickets from the dead ones.
local function remove_dead(dead, dead_key, reasons_key)
    local members, words = {}, {}
    for i, ticket in ipairs(dead) do
        members[i] = zset_member(tonumber(ticket.word))
        words[i] = ticket.word
    end
    redis.call('ZREM', dead_key, unpack(members))
    redis.call('HDEL', reasons_key, unpack(words))
end
