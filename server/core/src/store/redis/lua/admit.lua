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
--! include numbers
--! include digits
--! include clock
--! include entry
--! include line
--! include announce

local BYPASS, CLOSED, NOT_OPEN, HELD, UNIT_LIMIT, SOLD_OUT = -1, -2, -3, -4, -5, -6
local MAX_SEQ = 4294967296
local BUYERS_PER_PAGE = 16380
local FIXED_KEYS, FIXED_ARGS = 5, 7

local function page_of(seq)
    return math.floor((seq - 1) / BUYERS_PER_PAGE)
end

local epoch, buckets, closed, opens_at, closes_at, route, admission_held, unit_limit, cap, stock, durability, measured_pace,
    last_before, cursor, cancelled_tickets, cancelled_passed, admitted_tickets, admitted_units, waiting_tickets,
    waiting_units, in_flight_units, ordered_units, dead_units = load_numbers(KEYS[1],
    'epoch', 'buckets', 'closed', 'opens_at', 'closes_at', 'route', 'admission_held', 'unit_limit', 'cap', 'stock',
    'durability', 'measured_pace', 'last_seq', 'cursor', 'cancelled_tickets', 'cancelled_passed', 'admitted_tickets',
    'admitted_units', 'waiting_tickets', 'waiting_units', 'in_flight_units', 'ordered_units', 'dead_units')
if not epoch then
    return { NO_SALE }
end

local first = last_before + 1
local requests = #KEYS - FIXED_KEYS
local segment, page = tonumber(ARGV[3]), tonumber(ARGV[4])
local first_segment, last_segment = segment_of(first), segment_of(last_before + requests)
local first_page, last_page = page_of(first), page_of(last_before + requests)
if buckets ~= tonumber(ARGV[5]) or first_segment < segment or last_segment > segment + 1
    or first_page < page or last_page > page + 1 then
    return { OTHER_KEYS, buckets, last_before, cursor, cancelled_tickets }
end

local free = cap or stock
if stock then
    free = free - waiting_units - in_flight_units - ordered_units - dead_units
else
    free = free - waiting_units
end
free = math.max(free, 0)

local now = (opens_at or closes_at) and now_millis(ARGV[1]) -- nobody asks for the time of a sale without times
local refusal = nil -- what everybody gets who is not in line
if route == 1 then
    refusal = BYPASS
elseif closed == 1 or (closes_at and now >= closes_at) then
    refusal = CLOSED
elseif opens_at and now < opens_at then
    refusal = NOT_OPEN
elseif admission_held == 1 then
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
local last, queued, queued_units = last_before, 0, 0
local entries, queued_requests, results = {}, {}, {}
for i = 1, requests do
    local bucket, buyer, wanted = KEYS[FIXED_KEYS + i], buyers[i], units[i]
    local result = refusal
    if not result then
        if wanted > unit_limit then
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

local length_before = last_before - cursor - (cancelled_tickets - cancelled_passed)
if queued > 0 then
    -- Entries and hashes of the first segment and page, then of the next ones, where the batch reaches into them.
    local fit = math.min(queued, (first_segment + 1) * SEGMENT - first + 1)
    call('RPUSH', KEYS[2 + first_segment - segment], unpack(entries, 1, fit))
    if fit < queued then
        call('RPUSH', KEYS[3 + first_segment - segment], unpack(entries, fit + 1))
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

    call('HSET', KEYS[1], 'last_seq', digits(last),
        'admitted_tickets', digits(admitted_tickets + queued), 'admitted_units', digits(admitted_units + queued_units),
        'waiting_tickets', digits(waiting_tickets + queued), 'waiting_units', digits(waiting_units + queued_units))
    if length_before == 0 then
        announce_work(ARGV[2])
    end
end

local reply = {
    DONE, buckets, last, cursor, cancelled_tickets, epoch, measured_pace, durability,
    stock and 1 or 0, refusal or (free == 0 and SOLD_OUT or 0), opens_at or 0, unit_limit,
    length_before + 1,
}
if queued < requests then
    local size = #reply
    for i = 1, requests do
        reply[size + i] = results[i]
    end
end
return reply
