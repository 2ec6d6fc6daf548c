-- The units of an encoded entry, a base-128 varint at its start, little end first, and where the rest starts. Nil when
-- there is none.
local function units_of(entry)
    local byte = string.byte(entry)
    if byte and byte < 128 then
        return byte, 2
    end
    local units, scale = 0, 1
    for at = 1, 8 do
        byte = string.byte(entry, at)
        if not byte then
            return nil
        end
        if byte < 128 then
            return units + byte * scale, at + 1
        end
        units = units + (byte - 128) * scale
        scale = scale * 128
    end
    return nil
end

-- The buyer of an encoded entry, after a byte of length where the units end.
local function buyer_of(entry, start)
    return string.sub(entry, start + 1, start + string.byte(entry, start))
end
