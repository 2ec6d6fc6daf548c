-- The number of a new epoch: the time in milliseconds, and as many bits of the server's history as a double has room for.
-- Two histories that part never give the same number, also when the clock is behind the epoch before: its
-- milliseconds are then made different by further bits.
local HISTORY_BITS, MORE_BITS = 2048, 1024

local function epoch_after(previous, now, history)
    local before = math.floor(previous / HISTORY_BITS)
    local millis = now
    if now <= before then
        millis = before + 1 + math.floor(history / HISTORY_BITS) % MORE_BITS
    end
    return millis * HISTORY_BITS + history % HISTORY_BITS
end
