-- Tells whoever listens that a sale has something to claim, or may take buyers in. Nothing depends on it being heard.
local function announce_work(sale_id)
    redis.call('PUBLISH', 'inrush:work', sale_id)
end

local function announce_admission(sale_id)
    redis.call('PUBLISH', 'inrush:admission', sale_id)
end
