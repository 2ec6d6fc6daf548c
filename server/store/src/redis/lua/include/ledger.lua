--! include sale

-- The ledger: tickets and units of each part of the sale.

-- Adds to a part; negative counts remove from it.
local function add_to(sale, part, tickets, units)
    sale[part .. '_tickets'] = sale[part .. '_tickets'] + tickets
    sale[part .. '_units'] = sale[part .. '_units'] + units
end

-- Moves tickets from one part to another.
local function transfer(sale, from, to, tickets, units)
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
