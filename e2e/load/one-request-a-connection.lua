-- wrk: one request a connection, each after a pause, so that the load stays what it is however fast the answers come. Prints what it saw as JSON.
local pause_ms = 20

function delay()
  return pause_ms
end

request = function()
  return wrk.format("GET", "/", { ["Connection"] = "close", ["Host"] = "load.test" })
end

done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d},"p50Us":%d,"p99Us":%d,"maxUs":%d}\n',
    summary.requests, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
