-- A request with a body is a POST; headers come from the command line.
local body = os.getenv('BENCH_BODY')
if body then
  wrk.method = 'POST'
  wrk.body = body
end

-- Makes wrk print one line of JSON that load.py reads.
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'JSON {"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
