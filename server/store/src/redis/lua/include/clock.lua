-- Now, in milliseconds: the caller's time, or that of Redis if the argument is empty.
local function now_millis(caller_time)
    if caller_time ~= '' then
        return tonumber(caller_time)
    end
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
