-- Announces that a sale has something to claim, or may admit buyers. Nothing depends on these events being received,
-- so a PUBLISH that Redis refuses (the user has no rights on the channel) must not end a script that has begun to
-- write.
local function announce_work(sale_id)
    redis.pcall('PUBLISH', 'inrush:work', sale_id)
end

local function announce_admission(sale_id)
    redis.pcall('PUBLISH', 'inrush:admission', sale_id)
end
