#!lua flags=allow-oom
-- Writes a sale's settings, all of them: creates the sale, or changes it when it has the expected version. Also on a
-- full server: a sale that fills it can be held.
--
-- KEYS  1 sale · 2 marker · 3 tombstone
-- ARGV  1 now, empty for Redis's time · 2 sale id · 3 expected version, empty for a sale that must not exist ·
--       4 count of buyers' buckets of a new sale · 5 epoch of an earlier sale of this name that the caller has seen, 0 for
--       none · 6 … the settings in the order of include/snapshot.lua, empty for none
-- Reply {NO_SALE}: there is nothing to change · {HISTORY_CHANGED}
--       {DONE, 0, snapshot}: written · {DONE, 1, snapshot}: not in the expected version, the sale as it is ·
--       {DONE, 2, units}: the cap would be below what is held · {DONE, 3, units}: the stock would be below what is
--       committed · {DONE, 4}: closed for good · {DONE, 5}: an earlier sale of this name is still being deleted

--! include codes
--! include clock
--! include new_epoch
--! include open_sale
--! include snapshot
--! include ledger
--! include pace
--! include announce

local WRITTEN, CONFLICT, CAP_BELOW_HELD, STOCK_BELOW_COMMITTED, CLOSED, BEING_DELETED = 0, 1, 2, 3, 4, 5
local FIXED_ARGS = 5

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
local now = now_millis(ARGV[1])
local create = ARGV[3] == ''

local function reply_with_snapshot(code)
    local reply = { DONE, code }
    put_snapshot(reply, sale, now)
    return reply
end

local settings = {}
for i, field in ipairs(SETTINGS) do
    settings[field] = tonumber(ARGV[FIXED_ARGS + i])
end

if sale.epoch and unusable then
    return unusable
elseif create then
    if sale.epoch then
        return reply_with_snapshot(CONFLICT)
    end
    if redis.call('EXISTS', KEYS[3]) == 1 then
        return { DONE, BEING_DELETED }
    end
    local history = server_history()
    if not history then
        return replica_error()
    end
    local epoch = epoch_after(tonumber(ARGV[5]), now, history)
    sale = {
        epoch = epoch, history = history, rises = 0, past = '', version = 0,
        closed = 0, created_at = now, last_seq = 0, cursor = 0, measured_pace = 0,
        buckets = tonumber(ARGV[4]), fence = epoch, skipped = 0,
    }
    for _, field in ipairs(LEDGER) do
        sale[field] = 0
    end
elseif not sale.epoch then
    return { NO_SALE }
elseif sale.closed == 1 then
    return { DONE, CLOSED }
elseif sale.version ~= tonumber(ARGV[3]) then
    return reply_with_snapshot(CONFLICT)
else
    local held = sale.waiting_units - sale.retrying_units
    if settings.stock then
        held = sale.waiting_units + sale.in_flight_units + sale.ordered_units + sale.dead_units
    end
    -- Reconciled orders may hold more, which is no reason to refuse a change of something else.
    local function is_lower(new, old)
        return sale.reconciled_units == 0 or not old or new < old
    end
    local cap = settings.cap or settings.stock
    if held > cap and is_lower(cap, sale.cap or sale.stock) then
        return { DONE, CAP_BELOW_HELD, held }
    end
    local committed = committed_units(sale)
    if settings.stock and committed > settings.stock and is_lower(settings.stock, sale.stock) then
        return { DONE, STOCK_BELOW_COMMITTED, committed }
    end
end

if settings.pace ~= sale.pace or settings.burst ~= sale.burst then
    sale.tokens = settings.pace and settings.burst * TICKET
    sale.tokens_at = settings.pace and now
end
for _, field in ipairs(SETTINGS) do
    sale[field] = settings[field]
end
sale.version = sale.version + 1
save_sale(KEYS[1], sale)
announce_admission(ARGV[2])
if sale.waiting_tickets > 0 then
    announce_work(ARGV[2])
end
return reply_with_snapshot(WRITTEN)
