-- Now, in milliseconds: what the caller's clock shows, or Redis's own time where the caller gives none.
local function now_millis(given)
    if given ~= '' then
        return tonumber(given)
    end
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
