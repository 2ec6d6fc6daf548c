--! include entry
--! include ledger
--! include record

-- The dead ones among the tickets `words` names, in their order: { word, entry, units, place among the words }. Nil
-- where one of them cannot be read.
local function dead_among(words, claimed)
    local dead, seen = {}, {}
    for i, record in ipairs(redis.call('HMGET', claimed, unpack(words))) do
        local state, _, _, start = decode_record(record or '')
        if state == 'D' and not seen[words[i]] then
            local units = units_of(record, start)
            if not units then
                return nil
            end
            seen[words[i]] = true
            dead[#dead + 1] = { word = words[i], entry = string.sub(record, start), units = units, place = i }
        end
    end
    return dead
end

-- Takes them out of the dead.
local function remove_dead(dead, dead_key, reasons_key)
    local members, words = {}, {}
    for i, ticket in ipairs(dead) do
        members[i] = zset_member(tonumber(ticket.word))
        words[i] = ticket.word
    end
    redis.call('ZREM', dead_key, unpack(members))
    redis.call('HDEL', reasons_key, unpack(words))
end
