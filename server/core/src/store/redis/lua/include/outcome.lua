--! include digits

-- A ticket's outcome: its state, its units, then an order id or a reason. States: O ordered, L released, J rejected.
local function encode_outcome(state, units, text)
    return state .. digits(units) .. ':' .. text
end

-- State, units and text; nothing when there is no outcome.
local function decode_outcome(outcome)
    if not outcome then
        return nil
    end
    local state, units, start = string.match(outcome, '^([OLJ])(%d+):()')
    if not state then
        return nil
    end
    return state, tonumber(units), string.sub(outcome, start)
end
