--! include sale

-- The ledger in the sale's hash: tickets and units of each part.
local LEDGER_FIELDS = {
    'admitted_tickets', 'admitted_units', 'waiting_tickets', 'waiting_units', 'retrying_tickets', 'retrying_units',
    'in_flight_tickets', 'in_flight_units', 'ordered_tickets', 'ordered_units', 'rejected_tickets', 'rejected_units',
    'cancelled_tickets', 'cancelled_units', 'expired_tickets', 'expired_units', 'released_tickets', 'released_units',
    'dead_tickets', 'dead_units',
}

-- The sale's hash with its ledger and `more` fields.
local function load_ledger(key, more)
    local fields = { unpack(more) }
    for _, field in ipairs(LEDGER_FIELDS) do
        fields[#fields + 1] = field
    end
    return load_sale(key, fields)
end

-- Writes the ledger and `more` fields back.
local function save_ledger(key, sale, more)
    local fields = { unpack(more) }
    for _, field in ipairs(LEDGER_FIELDS) do
        fields[#fields + 1] = field
    end
    save_sale(key, sale, fields)
end

-- Adds to a part; what is taken away is negative.
local function add_to(sale, part, tickets, units)
    sale[part .. '_tickets'] = sale[part .. '_tickets'] + tickets
    sale[part .. '_units'] = sale[part .. '_units'] + units
end

-- Moves tickets from one part to another.
local function move(sale, from, to, tickets, units)
    add_to(sale, from, -tickets, -units)
    add_to(sale, to, tickets, units)
end

-- Units that may still be admitted.
local function free_units(sale)
    if sale.stock then
        local held = sale.waiting_units + sale.in_flight_units + sale.ordered_units + sale.dead_units
        return math.max((sale.cap or sale.stock) - held, 0)
    end
    return math.max(sale.cap - sale.waiting_units, 0)
end

-- Units of stock that have an order or may have one.
local function committed_units(sale)
    return sale.retrying_units + sale.in_flight_units + sale.ordered_units + sale.dead_units
end
