--! include ledger

-- What an operator decides, in the order in which settings are given and told.
local SETTINGS = {
    'stock', 'cap', 'opens_at', 'closes_at', 'unit_limit', 'route', 'admission_held', 'fulfilment_held', 'pace', 'burst',
    'max_attempts', 'lease', 'durability',
}
local STATE = { 'epoch', 'version', 'closed', 'created_at', 'last_seq', 'cursor', 'measured_pace' }

-- The whole sale. Absent settings are nil.
local function load_snapshot(key)
    local fields = { unpack(STATE) }
    for _, field in ipairs(SETTINGS) do
        fields[#fields + 1] = field
    end
    return load_ledger(key, fields)
end

-- Adds to the reply: when it was read, the state, the settings, the ledger; -1 for an absent setting.
local function put_snapshot(reply, sale, now)
    reply[#reply + 1] = now
    for _, fields in ipairs({ STATE, SETTINGS, LEDGER_FIELDS }) do
        for _, field in ipairs(fields) do
            reply[#reply + 1] = sale[field] or -1
        end
    end
end
