#!lua flags=allow-oom
-- Removes some keys of a deleted sale, and the tombstone with the last of them. A late caller, when another one has swept
-- and a new sale may exist, removes nothing.
--
-- KEYS  1 tombstone · 2 … keys to remove
-- ARGV  1 the deleted sale's epoch · 2 whether these are the last keys, 1 or 0
-- Reply {DONE, 1 removed · 0 there is no such tombstone}

--! include codes

if string.match(redis.call('GET', KEYS[1]) or '', '^%d+') ~= ARGV[1] then
    return { DONE, 0 }
end
redis.call('UNLINK', unpack(KEYS, 2))
if ARGV[2] == '1' then
    redis.call('DEL', KEYS[1])
end
return { DONE, 1 }
