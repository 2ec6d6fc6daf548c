-- The sale's hash, as a table of numbers. Absent fields are nil; a sale that does not exist has no epoch.
local function load_sale(key, fields)
    local values = redis.call('HMGET', key, unpack(fields))
    local sale = {}
    for i = 1, #fields do
        sale[fields[i]] = tonumber(values[i])
    end
    return sale
end

-- Writes the named fields back. Redis writes a number given to a command with all its digits.
local function save_sale(key, sale, fields)
    local words = {}
    for i = 1, #fields do
        words[2 * i - 1] = fields[i]
        words[2 * i] = sale[fields[i]]
    end
    redis.call('HSET', key, unpack(words))
end

-- A number as text with all its digits; Lua's own conversion keeps only 14 of them.
local function digits(number)
    return string.format('%.0f', number)
end
