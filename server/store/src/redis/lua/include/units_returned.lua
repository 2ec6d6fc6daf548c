--! include queue
--! include reopened

-- Units came back to the stock: some buyers may be taken in again, and a line that the stock held up can be claimed.
local function announce_units_returned(sale, free_before, sale_id)
    announce_if_reopened(sale, free_before, sale_id)
    if sale.closed ~= 1 and queue_length(sale) > 0 then
        announce_work(sale_id)
    end
end
