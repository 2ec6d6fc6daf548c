--! include digits

-- The sale's hash as a table of numbers, and as it is stored. Absent settings are stored as empty texts and are nil here;
-- a sale that does not exist has no epoch.
local function load_sale(key)
    local sale, stored = {}, redis.call('HGETALL', key)
    for i = 1, #stored, 2 do
        sale[stored[i]] = tonumber(stored[i + 1])
    end
    return sale, stored
end

-- Writes what has changed since the sale was loaded. Every field there is has been stored at the sale's creation.
local function save_sale(key, sale, stored)
    local words, size = {}, 0
    for i = 1, #stored, 2 do
        local field = stored[i]
        local value = sale[field]
        if value ~= tonumber(stored[i + 1]) then
            words[size + 1], words[size + 2] = field, value and digits(value) or ''
            size = size + 2
        end
    end
    if size > 0 then
        redis.call('HSET', key, unpack(words))
    end
end
