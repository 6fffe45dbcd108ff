/**
 * What must happen in one step, in Lua. All keys of a queue share its prefix, so that with a hash tag in
 * it (`{bull}`) they lie together in a cluster.
 */

/** Seconds that one entry of the rate stands for, and entries that are kept. */
export const BUCKET_SECONDS = 5
export const BUCKETS = 24

/**
 * Notes jobs that are about to be added; those that are known already change nothing. (Ids of jobs begin
 * with j, those of single chunks that were refused with r.)
 * KEYS jobs, totals; ARGV id, items, tokens, id, items, tokens, ...
 */
export const ANNOUNCE = `
local new = 0
for i = 1, #ARGV, 3 do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2]) == 1 then
    if string.sub(ARGV[i], 1, 1) == 'j' then redis.call('HINCRBY', KEYS[2], 'jobs', 1) end
    redis.call('HINCRBY', KEYS[2], 'items', ARGV[i + 1])
    redis.call('HINCRBY', KEYS[2], 'tokens', ARGV[i + 2])
    new = new + 1
  end
end
return new`

/**
 * Notes that a job is stored: counted once, whoever did it and however often.
 * KEYS done, totals, failures; ARGV id, items done, items failed, tokens planned, tokens embedded,
 * failures kept at most, then id and JSON of each failure
 */
export const SETTLE = `
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3]) == 0 then return 0 end
if string.sub(ARGV[1], 1, 1) == 'j' then redis.call('HINCRBY', KEYS[2], 'doneJobs', 1) end
redis.call('HINCRBY', KEYS[2], 'doneItems', ARGV[2])
redis.call('HINCRBY', KEYS[2], 'failedItems', ARGV[3])
redis.call('HINCRBY', KEYS[2], 'doneTokens', ARGV[4])
redis.call('HINCRBY', KEYS[2], 'embeddedTokens', ARGV[5])
local room = tonumber(ARGV[6]) - redis.call('HLEN', KEYS[3])
for i = 7, #ARGV, 2 do
  if room <= 0 then break end
  room = room - redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
end
return 1`

/**
 * A worker says how it will embed. What was agreed before must be the same, unless nothing was done yet
 * and nobody is at work.
 * KEYS meta, done, workers; ARGV contract, worker's name, seconds after which a worker is gone
 * Returns the contract that holds.
 */
export const AGREE = `
local held = redis.call('HGET', KEYS[1], 'contract')
if held == ARGV[1] then return held end
local now = tonumber(redis.call('TIME')[1])
if held and redis.call('HLEN', KEYS[2]) > 0 then return held end
if held then
  for _, json in ipairs(redis.call('HVALS', KEYS[3])) do
    if cjson.decode(json).at > now - tonumber(ARGV[3]) then return held end
  end
end
redis.call('HSET', KEYS[1], 'contract', ARGV[1])
return ARGV[1]`

/**
 * A worker's sign of life, with what it did since the last one.
 * KEYS workers, rate; ARGV name, JSON (an object that is not empty), items, tokens
 */
export const BEAT = `
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', KEYS[1], ARGV[1], string.sub(ARGV[2], 1, -2) .. ',"at":' .. now .. '}')
local bucket = math.floor(now / ${BUCKET_SECONDS})
redis.call('HINCRBY', KEYS[2], bucket .. ':items', ARGV[3])
if redis.call('HINCRBY', KEYS[2], bucket .. ':tokens', ARGV[4]) == tonumber(ARGV[4]) then
  for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
    local old = tonumber(string.match(field, '^%d+'))
    if old < bucket - ${BUCKETS} then redis.call('HDEL', KEYS[2], field) end
  end
end
return now`
