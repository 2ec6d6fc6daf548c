-- The units of the encoded entry that starts at a place of a text (at its beginning if none is given), a base-128 varint,
-- little end first; and where the rest of the entry starts. Nil when there is none.
local function units_of(text, start)
    start = start or 1
    local byte = string.byte(text, start)
    if byte and byte < 128 then
        return byte, start + 1
    end
    local units, scale = 0, 1
    for at = start, start + 7 do
        byte = string.byte(text, at)
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
