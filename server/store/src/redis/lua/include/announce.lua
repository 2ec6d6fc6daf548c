-- Announces that a sale has something to claim, or may admit buyers. Nothing depends on these events being received.
local function announce_work(sale_id)
    redis.call('PUBLISH', 'inrush:work', sale_id)
end

local function announce_admission(sale_id)
    redis.call('PUBLISH', 'inrush:admission', sale_id)
end
