--! include ledger

-- Tells whoever listens that a sale has something to claim, or may take buyers in. Nothing depends on it being heard.
local function announce_work(sale_id)
    redis.call('PUBLISH', 'inrush:work', sale_id)
end

local function announce_admission(sale_id)
    redis.call('PUBLISH', 'inrush:admission', sale_id)
end

-- Announces admission where nothing was free before the command and something is now.
local function announce_if_reopened(sale, free_before, sale_id)
    if free_before == 0 and free_units(sale) > 0 then
        announce_admission(sale_id)
    end
end
