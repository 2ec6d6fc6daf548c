local format = string.format

-- A number as text with all its digits: Lua's own conversion keeps only 14 of them, and the one Redis makes of a number
-- that a command is given is exact but slow.
local function digits(number)
    return format('%d', number)
end
