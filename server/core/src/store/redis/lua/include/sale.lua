-- The sale's hash, as a table of numbers. Absent fields are nil; a sale that does not exist has no epoch.
local function load_sale(key, fields)
    local values = redis.call('HMGET', key, unpack(fields))
    local sale = {}
    for i = 1, #fields do
        sale[fields[i]] = tonumber(values[i])
    end
    return sale
end

-- A number as text with all its digits: Lua's own conversion keeps only 14 of them, and the one Redis makes of a number
-- that a command is given is exact but slow.
local function digits(number)
    return string.format('%d', number)
end

-- Writes the named fields back.
local function save_sale(key, sale, fields)
    local words = {}
    for i = 1, #fields do
        words[2 * i - 1] = fields[i]
        words[2 * i] = digits(sale[fields[i]])
    end
    redis.call('HSET', key, unpack(words))
end
