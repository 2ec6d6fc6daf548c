-- The token bucket of the sale. Its level is in millionths of tickets: milliseconds times thousandths of tickets
-- per second. An hour's refill at the fastest pace stays below 2^53, up to which integers are exact.
local TICKET = 1000000
local MAX_FILL = 3600000
local MIN_WINDOW, MAX_WINDOW = 1000, 10000

-- The level now. Only for a sale with a pace.
local function bucket_level(sale, now)
    local elapsed = math.min(math.max(now - sale.tokens_at, 0), MAX_FILL)
    return math.min(sale.tokens + elapsed * sale.pace, sale.burst * TICKET)
end

-- If the clock was set back, bucket and window start again now with what they hold: they would otherwise stand still
-- until the clock is where it was. Returns whether the sale changed.
local function follow_clock(sale, now)
    local tokens_ahead = sale.tokens_at and sale.tokens_at > now
    local window_ahead = sale.window_start and sale.window_start > now
    if tokens_ahead then
        sale.tokens_at = now
    end
    if window_ahead then
        sale.window_start = now
    end
    return tokens_ahead or window_ahead or false
end

-- Spends the tokens of `claims` tickets and counts them for the measured pace. The claims of a call belong to the window
-- that begins with it.
local function count_claims(sale, now, claims)
    if sale.pace then
        sale.tokens = bucket_level(sale, now) - claims * TICKET
        sale.tokens_at = now
    end
    local elapsed = sale.window_start and math.max(now - sale.window_start, 0)
    if elapsed and elapsed < MIN_WINDOW then
        sale.window_claims = sale.window_claims + claims
        return
    end
    if elapsed and elapsed > MAX_WINDOW then
        sale.measured_pace = 0
    elseif elapsed then
        sale.measured_pace = math.floor(sale.window_claims * TICKET / elapsed)
    end
    sale.window_start = now
    sale.window_claims = claims
end
