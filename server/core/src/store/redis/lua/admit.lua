#!lua
-- Takes buyers in, in order: who is in line already, who is refused, who gets the next number.
--
-- KEYS  1 sale · 2, 3 queue of segment s and s + 1 · 4, 5 log of admitted buyers, page p and p + 1 ·
--       6 … the buyers' bucket, one for each request
-- ARGV  1 now, empty for Redis's time · 2 sale id · 3 s · 4 p · 5 number of buckets the keys were made for ·
--       6 the buyers' hashes, 4 bytes each · 7 superseded tickets: "request seq" pairs, spaces between ·
--       8 … the encoded entry of each request
-- Reply {NO_SALE}
--       {OTHER_KEYS, buckets, last_seq, cursor, cancelled}: nothing was done, name the keys that fit
--       {DONE, buckets, last_seq, cursor, cancelled, epoch, measured pace, durability, 1 with stock,
--        gate, opens_at, unit limit, first new position, what became of each request …}
--       For each request 0: queued with the next number and position; a number above 0: has this ticket already;
--       below 0: the refusals below. The gate is 0 when open, else a refusal. Nothing follows when all are queued.
--
-- A buyer's bucket is checked and written by one HSETNX, before the next buyer is looked at: whatever can refuse the
-- whole batch has been checked by then, and nothing that follows can fail.
--
-- This is the script that a rush runs most: it makes three commands and one for each buyer.

--! include codes
--! include sale
--! include clock
--! include entry
--! include line
--! include announce

local BYPASS, CLOSED, NOT_OPEN, HELD, UNIT_LIMIT, SOLD_OUT = -1, -2, -3, -4, -5, -6
local MAX_SEQ = 4294967296
local BUYERS_PER_PAGE = 16380
local FIXED_KEYS, FIXED_ARGS = 5, 7

local sale = load_sale(KEYS[1], {
    'epoch', 'buckets', 'closed', 'opens_at', 'closes_at', 'route', 'admission_held', 'unit_limit', 'cap', 'stock',
    'durability', 'measured_pace', 'last_seq', 'cursor', 'cancelled_tickets', 'cancelled_passed',
    'admitted_tickets', 'admitted_units', 'waiting_tickets', 'waiting_units',
    'in_flight_units', 'ordered_units', 'dead_units',
})
if not sale.epoch then
    return { NO_SALE }
end

local first = sale.last_seq + 1
local requests = #KEYS - FIXED_KEYS
local segment, page = tonumber(ARGV[3]), tonumber(ARGV[4])
local first_page, last_page = math.floor((first - 1) / BUYERS_PER_PAGE),
    math.floor((first + requests - 2) / BUYERS_PER_PAGE)
if sale.buckets ~= tonumber(ARGV[5])
    or segment_of(first) < segment or segment_of(first + requests - 1) > segment + 1
    or first_page < page or last_page > page + 1 then
    return { OTHER_KEYS, sale.buckets, sale.last_seq, sale.cursor, sale.cancelled_tickets }
end

local free = sale.cap or sale.stock
if sale.stock then
    free = free - sale.waiting_units - sale.in_flight_units - sale.ordered_units - sale.dead_units
else
    free = free - sale.waiting_units
end
free = math.max(free, 0)

local now = now_millis(ARGV[1])
local refusal = nil -- what everybody gets who is not in line
if sale.route == 1 then
    refusal = BYPASS
elseif sale.closed == 1 or (sale.closes_at and now >= sale.closes_at) then
    refusal = CLOSED
elseif sale.opens_at and now < sale.opens_at then
    refusal = NOT_OPEN
elseif sale.admission_held == 1 then
    refusal = HELD
end

local units, buyers = {}, {}
for i = 1, requests do
    local entry = ARGV[FIXED_ARGS + i]
    local wanted, rest = units_of(entry)
    if not wanted or rest > #entry then
        return corrupt('a request holds no entry')
    end
    units[i], buyers[i] = wanted, buyer_of(entry, rest)
end

local superseded = {}
for request, seq in string.gmatch(ARGV[7], '(%d+) (%d+)') do
    superseded[tonumber(request)] = tonumber(seq)
end

local call = redis.call
local last, queued, queued_units = sale.last_seq, 0, 0
local entries, queued_requests, results = {}, {}, {}
for i = 1, requests do
    local bucket, buyer, wanted = KEYS[FIXED_KEYS + i], buyers[i], units[i]
    local result = refusal
    if not result then
        if wanted > sale.unit_limit then
            result = UNIT_LIMIT
        elseif wanted > free or last >= MAX_SEQ then
            result = SOLD_OUT
        elseif not superseded[i] and call('HSETNX', bucket, buyer, digits(last + 1)) == 1 then
            result = 0
        end
    end
    if result ~= 0 then
        local known = tonumber(call('HGET', bucket, buyer))
        if known and known ~= superseded[i] then
            result = known
        elseif not result then
            call('HSET', bucket, buyer, digits(last + 1))
            result = 0
        end
    end
    if result == 0 then
        last = last + 1
        free = free - wanted
        queued = queued + 1
        queued_units = queued_units + wanted
        entries[queued] = ARGV[FIXED_ARGS + i]
        queued_requests[queued] = i
    end
    results[i] = result
end

-- Appends to the log of a page. A full page is written anew: what Redis set aside for its growth is half its size.
local function log_buyers(key, hashes, is_full)
    call('APPEND', key, hashes)
    if is_full then
        call('SET', key, call('GET', key))
    end
end

local length_before = line_length(sale)
if queued > 0 then
    -- Entries and hashes of the first segment and page, then of the next ones, where the batch reaches into them.
    local fit = math.min(queued, (segment_of(first) + 1) * SEGMENT - first + 1)
    call('RPUSH', KEYS[2 + segment_of(first) - segment], unpack(entries, 1, fit))
    if fit < queued then
        call('RPUSH', KEYS[3 + segment_of(first) - segment], unpack(entries, fit + 1))
    end

    local hashes = ARGV[6]
    if queued < requests then
        local parts = {}
        for at, i in ipairs(queued_requests) do
            parts[at] = string.sub(ARGV[6], 4 * i - 3, 4 * i)
        end
        hashes = table.concat(parts)
    end
    fit = (first_page + 1) * BUYERS_PER_PAGE - first + 1
    log_buyers(KEYS[4 + first_page - page], string.sub(hashes, 1, 4 * fit), fit <= queued)
    if fit < queued then
        log_buyers(KEYS[5 + first_page - page], string.sub(hashes, 4 * fit + 1), false)
    end

    sale.last_seq = last
    sale.admitted_tickets = sale.admitted_tickets + queued
    sale.admitted_units = sale.admitted_units + queued_units
    sale.waiting_tickets = sale.waiting_tickets + queued
    sale.waiting_units = sale.waiting_units + queued_units
    save_sale(KEYS[1], sale, { 'last_seq', 'admitted_tickets', 'admitted_units', 'waiting_tickets', 'waiting_units' })
    if length_before == 0 then
        announce_work(ARGV[2])
    end
end

local reply = {
    DONE, sale.buckets, last, sale.cursor, sale.cancelled_tickets, sale.epoch, sale.measured_pace, sale.durability,
    sale.stock and 1 or 0, refusal or (free == 0 and SOLD_OUT or 0), sale.opens_at or 0, sale.unit_limit,
    length_before + 1,
}
if queued < requests then
    local size = #reply
    for i = 1, requests do
        reply[size + i] = results[i]
    end
end
return reply
