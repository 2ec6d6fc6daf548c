--! include history
--! include sale

-- Loads the sale, and what to reply instead of using it, if it must not be used.
local function open_sale(key, marker, may_write)
    local sale = load_sale(key)
    if not sale.epoch then
        return sale, { NO_SALE }
    end
    return sale, check_history(sale.history, marker, may_write)
end
