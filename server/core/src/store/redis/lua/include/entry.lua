-- The units of an encoded entry: a base-128 varint at its start, little end first. Nil when there is none.
local function units_of(entry)
    local units, scale = 0, 1
    for at = 1, 8 do
        local byte = string.byte(entry, at)
        if not byte then
            return nil
        end
        if byte < 128 then
            return units + byte * scale
        end
        units = units + (byte - 128) * scale
        scale = scale * 128
    end
    return nil
end
