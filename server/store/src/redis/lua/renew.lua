#!lua flags=allow-oom
-- Raises the epoch of a sale whose history has changed. What the store knows stays as it is; the seqs behind the last one
-- that it knows are set aside for tickets that it may have lost. A repeat changes nothing.
--
-- KEYS  1 sale · 2 marker
-- ARGV  1 now, empty for Redis's time · 2 sale id · 3, 4 epoch and seq of the latest ticket that the caller has seen,
--       0 for none · 5 how long buyers have to restore lost tickets before others are admitted, in milliseconds ·
--       then the epochs that the caller has seen, oldest first: epoch, first seq
-- Reply {NO_SALE}
--       {DONE, the queue's state (include/queue.lua), past epochs, 0}: nothing has changed
--       {DONE, the queue's state, past epochs, 1, the epoch that ended, the last seq that is known of it, 1 if tickets are
--        known to be lost}

--! include clock
--! include codes
--! include epochs
--! include new_epoch
--! include open_sale
--! include queue
--! include announce

-- Seqs that are set aside: more than a master that was replaced can give until it finds out.
local SET_ASIDE = 2097152
local MAX_SEQ = 4294967296
local FIXED_ARGS = 5

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if not sale.epoch then
    return unusable
end
local history, now = server_history(), now_millis(ARGV[1])
if not history then
    return replica_error()
end
local function reply_with(...)
    local reply = queue_state(DONE, sale)
    reply[#reply + 1] = sale.past
    for _, value in ipairs({ ... }) do
        reply[#reply + 1] = value
    end
    return reply
end

local seen_epoch, seen_seq = tonumber(ARGV[3]), tonumber(ARGV[4])
local tickets_are_lost = has_gone_back(sale.epoch, sale.last_seq, seen_epoch, seen_seq)
if history == sale.history and not tickets_are_lost then
    return reply_with(0)
end

-- Ends the epoch of the sale, and the later ones that the caller has seen: of those the store knows no ticket.
local ended, known, past = sale.epoch, sale.last_seq, { sale.past }
for i = FIXED_ARGS + 1, #ARGV, 2 do
    local epoch, first = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    if epoch > ended and first > known then
        past[#past + 1] = struct.pack(PAST_EPOCH, ended, known, first)
        ended, known = epoch, first - 1
    end
end
local highest = math.max(known, tickets_are_lost and seen_seq or 0) + SET_ASIDE
local next_first = math.min(math.ceil(highest / SEGMENT) * SEGMENT, MAX_SEQ) + 1
past[#past + 1] = struct.pack(PAST_EPOCH, ended, known, next_first)

local boundary_epoch, boundary = sale.epoch, sale.last_seq
sale.past = table.concat(past)
sale.rises = sale.rises + #past - 1
sale.epoch = epoch_after(math.max(ended, seen_epoch), now, history)
sale.history = history
sale.last_seq = next_first - 1
-- No two histories have the same epoch, so no claim of another history has a fence of this one.
sale.fence = math.max(sale.epoch, sale.fence + 1)
if tickets_are_lost then
    sale.restoring_until = now + tonumber(ARGV[5])
end
save_sale(KEYS[1], sale)
announce_admission(ARGV[2])
announce_work(ARGV[2])
return reply_with(1, boundary_epoch, boundary, tickets_are_lost and 1 or 0)
