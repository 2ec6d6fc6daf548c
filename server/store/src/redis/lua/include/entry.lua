-- The units of the encoded entry that starts at `start` of a text (by default at its beginning); nil if it is not an
-- entry. An entry that begins with a buyer's id, which has no control characters, is one unit and nothing else; any other
-- begins with a zero byte and its units, a base-128 varint, little end first.
local function units_of(text, start)
    start = start or 1
    local byte = string.byte(text, start)
    if not byte or byte >= 32 then
        return byte and 1
    end
    if byte ~= 0 then
        return nil
    end
    local units, scale = 0, 1
    for at = start + 1, start + 8 do
        byte = string.byte(text, at)
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

-- The buyer of the entry that starts at `start`, which units_of has read.
local function buyer_of(text, start)
    if string.byte(text, start) >= 32 then
        return string.sub(text, start)
    end
    local at = start + 1
    while string.byte(text, at) >= 128 do
        at = at + 1
    end
    local length = string.byte(text, at + 1) or 0
    return string.sub(text, at + 2, at + 1 + length)
end
