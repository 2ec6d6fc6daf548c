#!lua flags=no-writes
-- Reads one sale.
--
-- KEYS  1 sale
-- ARGV  1 now, empty for Redis's time
-- Reply {NO_SALE}
--       {DONE, the snapshot (include/snapshot.lua)}

--! include codes
--! include clock
--! include snapshot

local sale = load_sale(KEYS[1])
if not sale.epoch then
    return { NO_SALE }
end
local reply = { DONE }
put_snapshot(reply, sale, now_millis(ARGV[1]))
return reply
