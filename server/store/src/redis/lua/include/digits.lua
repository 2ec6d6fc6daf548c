local format = string.format

-- An integer as text with all its digits: Lua's own conversion keeps only 14 of them, and that of Redis for the arguments
-- of commands is exact but slow.
local function digits(integer)
    return format('%d', integer)
end
