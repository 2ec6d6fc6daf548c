#!lua
-- Takes buyers in, in order: who is in line already, who is refused, who gets the next number.
--
-- KEYS  1 sale · 2, 3 queue of segment s and s + 1 · 4, 5 log of admitted buyers, page p and p + 1 ·
--       6 … the buyers' bucket, one for each request
-- ARGV  1 now, empty for Redis's time · 2 sale id · 3 s · 4 p · 5 number of buckets the keys were made for ·
--       6 the buyers' hashes, 4 bytes each · 7 superseded tickets: "request seq" pairs, spaces between ·
--       8 … for each request: the encoded entry, the buyer
-- Reply {NO_SALE}
--       {OTHER_KEYS, buckets, last_seq, cursor, cancelled}: nothing was done, name the keys that fit
--       {DONE, buckets, last_seq, cursor, cancelled, epoch, measured pace, durability, 1 with stock,
--        gate, opens_at, unit limit, first new position, what became of each request …}
--       For each request 0: queued with the next number and position; a number above 0: has this ticket already;
--       below 0: the refusals below. The gate is 0 when open, else a refusal. Nothing follows when all are queued.
--
-- A buyer's bucket is checked and written by one HSETNX, before the next buyer is looked at: whatever can refuse the
-- whole batch has been checked by then, and nothing that follows can fail.

--! include codes
--! include sale
--! include clock
--! include entry
--! include line
--! include announce

local BYPASS, CLOSED, NOT_OPEN, HELD, UNIT_LIMIT, SOLD_OUT = -1, -2, -3, -4, -5, -6
local MAX_SEQ = 4294967296
local BUYERS_PER_PAGE = 65536
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

local units = {}
for i = 1, requests do
    units[i] = units_of(ARGV[FIXED_ARGS + 2 * i - 1])
    if not units[i] then
        return corrupt('a request holds no entry')
    end
end

local superseded = {}
for request, seq in string.gmatch(ARGV[7], '(%d+) (%d+)') do
    superseded[tonumber(request)] = tonumber(seq)
end

local call = redis.call
local last, admitted_units = sale.last_seq, 0
local entries, hashes, results = {}, {}, {}
for i = 1, requests do
    local bucket, buyer = KEYS[FIXED_KEYS + i], ARGV[FIXED_ARGS + 2 * i]
    local wanted = units[i]
    local result = refusal
    if not result then
        if wanted > sale.unit_limit then
            result = UNIT_LIMIT
        elseif wanted > free or last >= MAX_SEQ then
            result = SOLD_OUT
        elseif not superseded[i] and call('HSETNX', bucket, buyer, last + 1) == 1 then
            result = 0
        end
    end
    if result ~= 0 then
        local known = tonumber(call('HGET', bucket, buyer))
        if known and known ~= superseded[i] then
            result = known
        elseif not result then
            call('HSET', bucket, buyer, last + 1)
            result = 0
        end
    end
    if result == 0 then
        last = last + 1
        free = free - wanted
        admitted_units = admitted_units + wanted
        entries[#entries + 1] = ARGV[FIXED_ARGS + 2 * i - 1]
        hashes[#hashes + 1] = i
    end
    results[i] = result
end

local queued = #entries
local was_empty = line_length(sale) == 0
local reply = {
    DONE, sale.buckets, last, sale.cursor, sale.cancelled_tickets, sale.epoch, sale.measured_pace, sale.durability,
    sale.stock and 1 or 0, refusal or (free == 0 and SOLD_OUT or 0), sale.opens_at or 0, sale.unit_limit,
    line_length(sale) + 1,
}
if queued > 0 then
    -- Entries and hashes of the first segment and page, then of the next ones, where the batch reaches into them.
    local fit = math.min(queued, (segment_of(first) + 1) * SEGMENT - first + 1)
    call('RPUSH', KEYS[2 + segment_of(first) - segment], unpack(entries, 1, fit))
    if fit < queued then
        call('RPUSH', KEYS[3 + segment_of(first) - segment], unpack(entries, fit + 1))
    end

    local log = ARGV[6]
    if queued < requests then
        for i = 1, queued do
            hashes[i] = string.sub(ARGV[6], 4 * hashes[i] - 3, 4 * hashes[i])
        end
        log = table.concat(hashes)
    end
    fit = 4 * ((first_page + 1) * BUYERS_PER_PAGE - first + 1)
    call('APPEND', KEYS[4 + first_page - page], string.sub(log, 1, fit))
    if fit < #log then
        call('APPEND', KEYS[5 + first_page - page], string.sub(log, fit + 1))
    end

    call('HSET', KEYS[1], 'last_seq', last,
        'admitted_tickets', sale.admitted_tickets + queued, 'admitted_units', sale.admitted_units + admitted_units,
        'waiting_tickets', sale.waiting_tickets + queued, 'waiting_units', sale.waiting_units + admitted_units)
    if was_empty then
        announce_work(ARGV[2])
    end
end
if queued < requests then
    for i = 1, requests do
        reply[#reply + 1] = results[i]
    end
end
return reply
