--! include entry
--! include record

-- What one claim takes from the line stays together as a block: one lease, one field with the first number, how many
-- tickets are still held and a byte for each place, one field with the entries. A ticket leaves it when it is settled,
-- or when it goes its own way with a record: for another attempt, or with a longer lease than the others. A ticket that
-- the cursor has passed and that has neither record nor outcome is in a block, and in process.
local HEAD = '<ddB'
local HELD, NOT_HELD = 1, 0

-- The blocks that this run has looked for, by fence; false where there is none.
local blocks = {}

local function entries_field(fence)
    return fence .. ':entries'
end

-- The block's member among the leases: of leases that end together, those of lower numbers come first.
local function block_member(block)
    return zset_member(block.first) .. '-' .. block.fence
end

-- The fence of the block that a member stands for, nil for a single ticket.
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

-- Where the block of this fence holds the ticket; nil when it does not.
local function place_in_block(block, seq)
    local place = block and seq - block.first + 1
    if place and block.held[place] == HELD then
        return place
    end
    return nil
end

local function entry_in_block(claims, block, place)
    if not block.entries then
        block.entries = cmsgpack.unpack(redis.call('HGET', claims, entries_field(block.fence)))
    end
    return block.entries[place]
end

local function units_in_block(claims, block, place)
    return block.single_units and 1 or units_of(entry_in_block(claims, block, place))
end

-- The ticket is not the block's any more.
local function take_out_of_block(block, place)
    block.held[place] = NOT_HELD
    block.left = block.left - 1
    block.changed = true
end

-- Writes the blocks that tickets were taken out of; one that is empty ends.
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
