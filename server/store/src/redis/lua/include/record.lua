--! include digits

-- A claimed ticket's record: its state, the fence of its last claim, its attempts, then the entry as it waited.
-- States: P under a lease, W waiting for a retry, D dead.
local function record_head(state, fence, attempt)
    return state .. digits(fence) .. ':' .. digits(attempt) .. ':'
end

-- State, fence and attempt, and where the entry starts; nil if the text is not a record.
local function decode_record(record)
    local state, fence, attempt, start = string.match(record, '^([PWD])(%d+):(%d+):()')
    if not state then
        return nil
    end
    return state, tonumber(fence), tonumber(attempt), start
end

-- A seq as a member of a sorted set: as wide as the largest, so that ties are ordered by seq.
local function zset_member(seq)
    return string.format('%010d', seq)
end
