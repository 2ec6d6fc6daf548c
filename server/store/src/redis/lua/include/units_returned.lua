--! include queue
--! include reopened

-- Units returned to the stock: buyers may be admitted again, and a queue that the stock blocked can be claimed.
local function announce_units_returned(sale, free_before, sale_id)
    announce_if_reopened(sale, free_before, sale_id)
    if sale.closed ~= 1 and queue_length(sale) > 0 then
        announce_work(sale_id)
    end
end
