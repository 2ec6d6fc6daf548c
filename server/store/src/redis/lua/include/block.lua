--! include entry
--! include record

-- The entries that one claim takes from the queue form a block: one lease, one field with the first seq, how many tickets
-- are still held and a byte for each seq, one field with the entries. A ticket leaves its block when it is settled, or
-- when it gets a record of its own: for another attempt, or for a longer lease than the others. A ticket that the cursor
-- has passed and that has neither record nor outcome is in a block, and PROCESSING.
local HEAD = '<ddB'
local HELD, NOT_HELD = 1, 0

-- The blocks that this run has read, by fence; false where there is none.
local blocks = {}

local function entries_field(fence)
    return fence .. ':entries'
end

-- The block's member among the leases: leases that expire together are ordered by seq.
local function block_member(block)
    return zset_member(block.first) .. '-' .. block.fence
end

-- The fence of the block that a member is of, nil for a single ticket.
local function fence_from_member(member)
    return string.match(member, '-(%d+)$')
end

local function encode_block(block)
    return struct.pack(HEAD, block.first, block.left, block.single_units and 1 or 0) .. string.char(unpack(block.held))
end

local function block_of(claims, fence)
    local block = blocks[fence]
    if block == nil then
        block = false
        local stored = redis.call('HGET', claims, fence)
        if stored then
            local first, left, single_units, start = struct.unpack(HEAD, stored)
            block = {
                fence = fence, first = first, left = left, single_units = single_units == 1,
                held = { string.byte(stored, start, -1) },
            }
        end
        blocks[fence] = block
    end
    return block
end

-- The ticket's index in the block, if the block holds it; else nil.
local function index_in_block(block, seq)
    local index = block and seq - block.first + 1
    if index and block.held[index] == HELD then
        return index
    end
    return nil
end

local function entry_in_block(claims, block, index)
    if not block.entries then
        block.entries = cmsgpack.unpack(redis.call('HGET', claims, entries_field(block.fence)))
    end
    return block.entries[index]
end

local function units_in_block(claims, block, index)
    return block.single_units and 1 or units_of(entry_in_block(claims, block, index))
end

-- Removes a ticket from its block.
local function remove_from_block(block, index)
    block.held[index] = NOT_HELD
    block.left = block.left - 1
    block.changed = true
end

-- Writes the blocks that tickets were removed from; an empty block is deleted with its lease.
local function write_blocks(claims, leases)
    for fence, block in pairs(blocks) do
        if block and block.changed then
            if block.left > 0 then
                redis.call('HSET', claims, fence, encode_block(block))
            else
                redis.call('HDEL', claims, fence, entries_field(fence))
                redis.call('ZREM', leases, block_member(block))
            end
        end
    end
end
