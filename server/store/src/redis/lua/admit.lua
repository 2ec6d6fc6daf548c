#!lua
-- Admits buyers, in order: each has a ticket already, is refused, or gets the next seq.
--
-- KEYS  1 sale · 2 marker · 3, 4 queue of segment s and s + 1 · 5, 6 log of admitted buyers, page p and p + 1 ·
--       7 … the buyers' bucket, one for each request
-- ARGV  1 now, empty for Redis's time · 2 sale id · 3 s · 4 p · 5 count of buckets that the keys were built for ·
--       6, 7 the latest epoch and last seq that the caller has seen · 8 the buyers' hashes, 4 bytes each ·
--       9 superseded tickets: "request seq" pairs, spaces between · 10 the units of each request, spaces between; empty
--       when each is for one · 11 … the buyer's fingerprint of each request · then the encoded entry of each request
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {WRONG_KEYS, the queue's state (include/queue.lua)}: nothing was done; build the keys for this state
--       {DONE, the queue's state, past epochs, measured pace, durability, 1 with stock, gate, opens_at, restoring until,
--        unit limit, first new position, the result of each request …}
--       For each request 0: queued with the next seq and position; above 0: the buyer has the ticket with this seq;
--       below 0: one of the refusals below. The gate is 0 when open, else a refusal. No results follow if all are queued.
--
-- A buyer's bucket is checked and written by one HSETNX, before the next buyer is checked: everything that can refuse the
-- whole batch has been checked by then, and nothing that follows can fail.
--
-- The most frequent script of a rush: it runs five commands and one for each buyer, unpacks the sale without building a
-- table, and uses arguments without converting them.

--! include codes
--! include admitted_log
--! include clock
--! include epochs
--! include history
--! include queue
--! include announce

local BYPASS, CLOSED, NOT_OPEN, HELD, UNIT_LIMIT, SOLD_OUT, RESTORING = -1, -2, -3, -4, -5, -6, -7
local MAX_SEQ = 4294967296
local REPLICATED = 2 -- the sale's durability
local FIXED_KEYS, FIXED_ARGS = 6, 10

local call, pack = redis.call, struct.pack

-- The first fields of the sale, in the order of include/sale.lua; the five that change here are adjacent.
local FIRST_NUMBERS, BYTES_READ, FIRST_CHANGED = '<ddddddddddddddddddddddddddd', 216, 72
local stored = call('GETRANGE', KEYS[1], 0, BYTES_READ - 1)
if stored == '' then
    return { NO_SALE }
end
local epoch, history, rises, buckets, closed, measured_pace, cursor, cancelled_tickets, skipped, last_before,
    admitted_tickets, admitted_units, waiting_tickets, waiting_units, retrying_tickets, restoring_until, opens_at,
    closes_at, route, admission_held, unit_limit, cap, stock, durability, in_flight_units, ordered_units, dead_units =
    struct.unpack(FIRST_NUMBERS, stored)
local has_stock, has_cap, has_opening, has_closing = stock >= 0, cap >= 0, opens_at >= 0, closes_at >= 0
local unusable = check_history(history, KEYS[2], true)
if unusable then
    return unusable
elseif has_gone_back(epoch, last_before, ARGV[6], ARGV[7]) then
    return { HISTORY_CHANGED }
end

local first = last_before + 1
local requests = #KEYS - FIXED_KEYS
local segment, page = tonumber(ARGV[3]), tonumber(ARGV[4])
local first_segment, last_segment = segment_of(first), segment_of(last_before + requests)
local first_page, last_page = page_of(admitted_tickets + 1), page_of(admitted_tickets + requests)
local holes = holes_of(cancelled_tickets, rises)
if buckets ~= tonumber(ARGV[5]) or first_segment < segment or last_segment > segment + 1
    or first_page < page or last_page > page + 1 then
    return { WRONG_KEYS, epoch, buckets, last_before, cursor, holes, admitted_tickets }
end

local free = has_cap and cap or stock
if has_stock then
    free = free - waiting_units - in_flight_units - ordered_units - dead_units
else
    free = free - waiting_units
end
free = math.max(free, 0)

local has_times = has_opening or has_closing or restoring_until >= 0
local now = has_times and now_millis(ARGV[1]) -- a sale without times needs no TIME
local refusal = nil -- of every buyer who has no ticket
if route == 1 then
    refusal = BYPASS
elseif closed == 1 or (has_closing and now >= closes_at) then
    refusal = CLOSED
elseif has_opening and now < opens_at then
    refusal = NOT_OPEN
elseif admission_held == 1 then
    refusal = HELD
elseif restoring_until >= 0 and now < restoring_until then
    refusal = RESTORING
end

local superseded = {}
for request, seq in string.gmatch(ARGV[9], '(%d+) (%d+)') do
    superseded[tonumber(request)] = tonumber(seq)
end
local units, sized = {}, 0 -- nil means one
for count in string.gmatch(ARGV[10], '%d+') do
    sized = sized + 1
    units[sized] = tonumber(count)
end

-- A buyer's seq in the bucket, in as few bytes as it needs.
local SEQ = last_before + requests < 16777216 and '>I3' or '>I5'

local last, queued_units = last_before, 0
local others, queued_all = {}, true -- the results of requests that were not queued
for i = 1, requests do
    local bucket, buyer, wanted = KEYS[FIXED_KEYS + i], ARGV[FIXED_ARGS + i], units[i] or 1
    local result = refusal
    if not result then
        if wanted > unit_limit then
            result = UNIT_LIMIT
        elseif wanted > free or last >= MAX_SEQ then
            result = SOLD_OUT
        elseif not superseded[i] and call('HSETNX', bucket, buyer, pack(SEQ, last + 1)) == 1 then
            result = 0
        end
    end
    if result ~= 0 then
        local known = call('HGET', bucket, buyer)
        known = known and struct.unpack('>I' .. #known, known)
        if known and known ~= superseded[i] then
            result = known
        elseif not result then
            call('HSET', bucket, buyer, pack(SEQ, last + 1))
            result = 0
        end
    end
    if result == 0 then
        last = last + 1
        free = free - wanted
        queued_units = queued_units + wanted
    else
        others[i], queued_all = result, false
    end
end

local length_before = waiting_tickets - retrying_tickets
local queued = last - last_before
if queued > 0 then
    local entries, at, hashes = ARGV, FIXED_ARGS + requests, ARGV[8] -- the entries start behind `at`
    if not queued_all then
        local parts = {}
        entries, at = {}, 0
        for i = 1, requests do
            if not others[i] then
                entries[#entries + 1] = ARGV[FIXED_ARGS + requests + i]
                parts[#parts + 1] = string.sub(ARGV[8], 4 * i - 3, 4 * i)
            end
        end
        hashes = table.concat(parts)
    end

    -- Entries and hashes of the first segment and page, then of the next ones if the batch reaches into them.
    local fit = math.min(queued, (first_segment + 1) * SEGMENT - first + 1)
    call('RPUSH', KEYS[3 + first_segment - segment], unpack(entries, at + 1, at + fit))
    if fit < queued then
        call('RPUSH', KEYS[4 + first_segment - segment], unpack(entries, at + fit + 1, at + queued))
    end
    log_buyers(hashes, queued, admitted_tickets, page, KEYS[5], KEYS[6])

    if length_before == 0 then
        announce_work(ARGV[2])
    end
end
-- A replicated sale is written even if no buyer was queued: the buyers may have tickets from another batch, and replicas
-- that acknowledge this write have that batch too.
if queued > 0 or durability == REPLICATED then
    call('SETRANGE', KEYS[1], FIRST_CHANGED, pack('<ddddd', last, admitted_tickets + queued,
        admitted_units + queued_units, waiting_tickets + queued, waiting_units + queued_units))
end

local reply = {
    DONE, epoch, buckets, last, cursor, holes, admitted_tickets + queued,
    rises > 0 and call('GETRANGE', KEYS[1], PAST_EPOCHS_AT, -1) or '', measured_pace, durability, has_stock and 1 or 0,
    refusal or (free == 0 and SOLD_OUT or 0), math.max(opens_at, 0), math.max(restoring_until, 0), unit_limit,
    length_before + 1,
}
if not queued_all then
    local size = #reply
    for i = 1, requests do
        reply[size + i] = others[i] or 0
    end
end
return reply
