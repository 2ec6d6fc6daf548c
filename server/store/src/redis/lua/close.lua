#!lua flags=allow-oom
-- Closes a sale for good: what was never claimed expires. A repeat changes nothing.
--
-- KEYS  1 sale · 2 marker
-- ARGV  1 now, empty for Redis's time · 2 sale id
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {DONE, the snapshot (include/snapshot.lua)}

--! include codes
--! include open_sale
--! include clock
--! include snapshot
--! include announce

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if unusable then
    return unusable
end
if sale.closed ~= 1 then
    sale.closed = 1
    sale.version = sale.version + 1
    sale.expired_tickets = sale.waiting_tickets - sale.retrying_tickets
    sale.expired_units = sale.waiting_units - sale.retrying_units
    sale.waiting_tickets = sale.retrying_tickets
    sale.waiting_units = sale.retrying_units
    save_sale(KEYS[1], sale)
end
announce_admission(ARGV[2])
if sale.retrying_tickets > 0 then
    announce_work(ARGV[2])
end
local reply = { DONE }
put_snapshot(reply, sale, now_millis(ARGV[1]))
return reply
