--! include digits

-- A ticket's outcome: its state and an order id or a reason. For more than one unit the state is a lower-case letter,
-- followed by the units and a colon. States: O ordered, L released, J rejected.
local function encode_outcome(state, units, text)
    if units == 1 then
        return state .. text
    end
    return string.lower(state) .. digits(units) .. ':' .. text
end

-- State, units and text; nothing when there is no outcome.
local function decode_outcome(outcome)
    if not outcome then
        return nil
    end
    local state = string.match(outcome, '^[OLJ]')
    if state then
        return state, 1, string.sub(outcome, 2)
    end
    local units, start
    state, units, start = string.match(outcome, '^([olj])(%d+):()')
    if not state then
        return nil
    end
    return string.upper(state), tonumber(units), string.sub(outcome, start)
end
