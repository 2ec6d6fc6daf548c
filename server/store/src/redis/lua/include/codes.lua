-- The first element of every reply. reply.rs has the same codes.
local DONE, NO_SALE, WRONG_KEYS, HISTORY_CHANGED = 0, 1, 2, 3

-- An error, not a reply: the store holds data that Inrush did not write. Nothing has been written when it is returned.
local function corrupt(text)
    return redis.error_reply('CORRUPT ' .. text)
end
