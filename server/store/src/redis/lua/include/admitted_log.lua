-- The log of all buyers ever admitted, in the order of admission: 4 bytes of hash each, in pages of this many buyers.
local BUYERS_PER_PAGE = 16380

-- The page that a buyer is in, counted from 1.
local function page_of(buyer)
    return math.floor((buyer - 1) / BUYERS_PER_PAGE)
end

-- Appends to a page. A full page is rewritten: Redis reserves as much again for its growth.
local function append_to_page(key, hashes, is_full)
    redis.call('APPEND', key, hashes)
    if is_full then
        redis.call('SET', key, redis.call('GET', key))
    end
end

-- Appends `count` buyers behind the `logged` ones. The keys are those of `page` and the next one.
local function log_buyers(hashes, count, logged, page, page_key, next_page_key)
    local first_page = page_of(logged + 1)
    local fit = (first_page + 1) * BUYERS_PER_PAGE - logged
    append_to_page(first_page == page and page_key or next_page_key, string.sub(hashes, 1, 4 * fit), fit <= count)
    if fit < count then
        append_to_page(next_page_key, string.sub(hashes, 4 * fit + 1), false)
    end
end
