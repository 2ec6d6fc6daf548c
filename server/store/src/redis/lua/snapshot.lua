#!lua flags=no-writes
-- Reads one sale.
--
-- KEYS  1 sale · 2 marker
-- ARGV  1 now, empty for Redis's time
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {DONE, the snapshot (include/snapshot.lua)}

--! include codes
--! include open_sale
--! include clock
--! include snapshot

local sale, unusable = open_sale(KEYS[1], KEYS[2], false)
if unusable then
    return unusable
end
local reply = { DONE }
put_snapshot(reply, sale, now_millis(ARGV[1]))
return reply
