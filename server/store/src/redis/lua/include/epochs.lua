-- The epochs before the present one. When an epoch ends, the seqs that follow the last one that the store knows are set
-- aside: tickets with them may have been given and lost. `last` is the last seq that the store knows of the epoch,
-- `next_first` the first seq of the next one.
local PAST_EPOCH, PAST_EPOCH_BYTES = '<ddd', 24

-- Where they begin in the stored sale: behind its fields, 8 bytes each (include/sale.lua).
local PAST_EPOCHS_AT = 416

-- The past epochs of the packed text behind a sale's fields, oldest first.
local function past_epochs(packed)
    local epochs = {}
    for at = 1, #packed, PAST_EPOCH_BYTES do
        local epoch, last, next_first = struct.unpack(PAST_EPOCH, packed, at)
        epochs[#epochs + 1] = { epoch = epoch, last = last, next_first = next_first }
    end
    return epochs
end

-- The past epoch that a seq belongs to; nil for the present one.
local function past_epoch_of(past, seq)
    for _, epoch in ipairs(past) do
        if seq < epoch.next_first then
            return epoch
        end
    end
    return nil
end

-- What a ticket with this epoch and seq is to the store; for a LOST one also whether it can have been restored: whether
-- its seq was set aside for its own epoch.
local KNOWN, LOST, FOREIGN, AHEAD = 1, 2, 3, 4

-- KNOWN: the store has it. LOST: an epoch of this sale gave it, and the store has lost it. FOREIGN: it is of an earlier
-- sale of this name, or there is no such ticket. AHEAD: the store has gone back behind it without a sign of that.
local function place_of(epoch, seq, present, last_seq, past)
    if epoch > present then
        return AHEAD
    end
    local owner = past_epoch_of(past, seq)
    local owned_by = owner and owner.epoch or present
    if seq < 1 or epoch < (past[1] and past[1].epoch or present) then
        return FOREIGN
    elseif epoch ~= owned_by then
        return LOST, false -- given by a history that parted from this one
    elseif owner then
        return seq <= owner.last and KNOWN or LOST, true
    end
    return seq <= last_seq and KNOWN or AHEAD
end
