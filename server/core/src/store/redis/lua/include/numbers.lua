-- The named fields of the sale's hash as numbers, nil where there is none: what the busiest scripts use, since a table of
-- the whole sale costs more than their commands.
local function load_numbers(key, ...)
    local tonumber, fields = tonumber, select('#', ...)
    local values = redis.call('HMGET', key, ...)
    for i = 1, fields do
        values[i] = tonumber(values[i])
    end
    return unpack(values, 1, fields)
end
