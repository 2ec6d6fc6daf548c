--! include digits
--! include epochs

-- A sale's settings, counters and ledger are one string of numbers, 8 bytes each: one command reads or writes them all, a
-- fifth of what it costs to read as many fields of a hash. -1 is an absent setting. What look_up.lua and admit.lua
-- read comes first, so that they read no more. The past epochs (include/epochs.lua) follow the fields.
local FIELDS = {
    'epoch', 'history', 'rises', 'buckets', 'closed', 'measured_pace', 'cursor', 'cancelled_tickets', 'skipped', 'last_seq',
    'admitted_tickets', 'admitted_units', 'waiting_tickets', 'waiting_units', 'retrying_tickets', 'restoring_until',
    'opens_at', 'closes_at', 'route', 'admission_held', 'unit_limit', 'cap', 'stock', 'durability',
    'in_flight_units', 'ordered_units', 'dead_units',
    'in_flight_tickets', 'ordered_tickets', 'dead_tickets', 'retrying_units', 'rejected_tickets',
    'rejected_units', 'cancelled_units', 'expired_tickets', 'expired_units', 'released_tickets', 'released_units',
    'version', 'created_at', 'fulfilment_held', 'max_attempts', 'lease', 'fence', 'pace', 'burst', 'tokens', 'tokens_at',
    'window_start', 'window_claims', 'reconciled_tickets', 'reconciled_units',
}
local FORMAT = '<' .. string.rep('d', #FIELDS)

-- The sale as a table of numbers, nil for what is absent; a sale that does not exist has no epoch.
local function load_sale(key)
    local sale, stored = {}, redis.call('GET', key)
    if stored then
        local values = { struct.unpack(FORMAT, stored) }
        for i, field in ipairs(FIELDS) do
            if values[i] >= 0 then
                sale[field] = values[i]
            end
        end
        sale.past = string.sub(stored, PAST_EPOCHS_AT + 1)
    end
    return sale
end

local function save_sale(key, sale)
    local values = {}
    for i, field in ipairs(FIELDS) do
        values[i] = sale[field] or -1
    end
    redis.call('SET', key, struct.pack(FORMAT, unpack(values)) .. sale.past)
end
