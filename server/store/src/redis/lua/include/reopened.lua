--! include announce
--! include ledger

-- Announces admission if units are free now and none were before the command.
local function announce_if_reopened(sale, free_before, sale_id)
    if free_before == 0 and free_units(sale) > 0 then
        announce_admission(sale_id)
    end
end
