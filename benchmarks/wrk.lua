-- Post one multipart body over and over, and print what happened as one line of JSON.
-- wrk ... -s wrk.lua URL -- BODY_FILE CONTENT_TYPE [PAUSE]
-- PAUSE is how many milliseconds a connection waits before each request, on average: from none to
-- twice as many, or else all of them would come at once, again and again.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  statuses = {}
  wrk.method = "POST"
  wrk.headers["Content-Type"] = args[2]
  local file = assert(io.open(args[1], "rb"))
  wrk.body = file:read("*a")
  file:close()
  -- wrk asks for a delay only where this function is there.
  if args[3] then
    local pause = tonumber(args[3])
    delay = function() return math.random(0, 2 * pause) end
  end
end

function response(status)
  local key = tostring(status)
  statuses[key] = (statuses[key] or 0) + 1
end

function done(summary, latency)
  local counts = {}
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses")) do
      counts[status] = (counts[status] or 0) + count
    end
  end
  for _, kind in ipairs({ "connect", "read", "write", "timeout" }) do
    counts[kind] = summary.errors[kind]
  end
  local parts = {}
  for kind, count in pairs(counts) do
    table.insert(parts, string.format('"%s":%d', kind, count))
  end
  io.write(string.format(
    '{"microseconds":%d,"p50":%d,"p95":%d,"p99":%d,"counts":{%s}}\n',
    summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99),
    table.concat(parts, ",")
  ))
end
