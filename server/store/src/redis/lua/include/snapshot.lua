--! include sale

-- The parts of a sale, in the order of replies; arguments with settings have the same order.
local STATE = { 'epoch', 'version', 'closed', 'rises', 'restoring_until', 'created_at', 'last_seq', 'cursor', 'measured_pace' }
local SETTINGS = {
    'stock', 'cap', 'opens_at', 'closes_at', 'unit_limit', 'route', 'admission_held', 'fulfilment_held', 'pace', 'burst',
    'max_attempts', 'lease', 'durability',
}
local LEDGER = {
    'admitted_tickets', 'admitted_units', 'waiting_tickets', 'waiting_units', 'retrying_tickets', 'retrying_units',
    'in_flight_tickets', 'in_flight_units', 'ordered_tickets', 'ordered_units', 'rejected_tickets', 'rejected_units',
    'cancelled_tickets', 'cancelled_units', 'expired_tickets', 'expired_units', 'released_tickets', 'released_units',
    'dead_tickets', 'dead_units', 'reconciled_tickets', 'reconciled_units',
}

-- Appends to the reply: when it was read, the state, the settings, the ledger; -1 for an absent setting.
local function put_snapshot(reply, sale, now)
    local size = #reply + 1
    reply[size] = now
    for _, fields in ipairs({ STATE, SETTINGS, LEDGER }) do
        for _, field in ipairs(fields) do
            size = size + 1
            reply[size] = sale[field] or -1
        end
    end
end
