--! include queue

-- Cancelled seqs are counted by segment, in a Fenwick tree: node n (from 1) counts the cancelled seqs of the segments
-- n - lowest_bit(n) … n - 1, so a count and a change touch at most one node for each bit of n.
local LAST_NODE = 1048576 -- as many segments as the largest seq needs

local function lowest_bit(node)
    local bit = 1
    while node % (2 * bit) == 0 do
        bit = 2 * bit
    end
    return bit
end

-- The counts of all nodes that are needed to count below the given segments, in one command. Even a full batch of tickets
-- far apart in the longest queue needs fewer nodes than a command can take.
local function load_nodes(tree, segments)
    local counts, nodes = {}, {}
    for _, segment in ipairs(segments) do
        local node = segment
        while node > 0 and not counts[node] do
            counts[node] = 0
            nodes[#nodes + 1] = node
            node = node - lowest_bit(node)
        end
    end
    if #nodes > 0 then
        for i, count in ipairs(redis.call('HMGET', tree, unpack(nodes))) do
            counts[nodes[i]] = tonumber(count) or 0
        end
    end
    return counts
end

-- How many seqs lower than `seq` were cancelled.
local function cancelled_below(counts, bitmap, seq)
    local sum, node = 0, segment_of(seq)
    while node > 0 do
        sum = sum + counts[node]
        node = node - lowest_bit(node)
    end
    local bit = bit_of(seq)
    if bit > 0 then
        sum = sum + redis.call('BITCOUNT', bitmap, 0, bit - 1, 'BIT')
    end
    return sum
end

-- Adds cancelled seqs, as segment → count.
local function count_cancelled(tree, by_segment)
    local changes = {}
    for segment, count in pairs(by_segment) do
        local node = segment + 1
        while node <= LAST_NODE do
            changes[node] = (changes[node] or 0) + count
            node = node + lowest_bit(node)
        end
    end
    for node, count in pairs(changes) do
        redis.call('HINCRBY', tree, node, count)
    end
end
