-- Forwards every CR and DX image to the modality `pneumoscope`, again and again until it is taken.
-- For Orthanc 1.10 and newer.

local RADIOGRAPHS = { CR = true, DX = true }
local OWN_MANUFACTURER = 'pneumoscope'
-- At the least, between two times that what failed is sent again.
local PAUSE_SECONDS = 5

-- The jobs that failed, and may do better.
local failed = {}
local last_retry = 0

-- Whether the node may take later what it did not take now (PS3.4, B.2.3, and PS3.7, annex C).
local function is_worth_retrying(job)
  if job.Type ~= 'DicomModalityStore' or job.Content.RemoteAet ~= 'PNEUMOSCOPE' then
    return false
  end
  local status = string.match(job.ErrorDetails or '', 'DIMSE status 0x(%x+)')
  if status == nil then
    return true
  end
  status = string.upper(status)
  return string.match(status, '^A9') == nil and string.match(status, '^C') == nil and
    status ~= '0117' and status ~= '0122'
end

-- Every event calls this, and none waits in it: all of Orthanc would, for there is one Lua.
local function retry()
  if next(failed) == nil or os.time() < last_retry + PAUSE_SECONDS then
    return
  end
  last_retry = os.time()
  local again = failed
  failed = {}
  for id in pairs(again) do
    RestApiPost('/jobs/' .. id .. '/resubmit', '')
  end
end

-- Jobs that had failed when Orthanc stopped tell nobody about it again.
function Initialize()
  for _, job in ipairs(ParseJson(RestApiGet('/jobs?expand'))) do
    if job.State == 'Failure' and is_worth_retrying(job) then
      failed[job.ID] = true
    end
  end
end

-- The node's results are SR, OT and SEG today; their manufacturer tells them whatever they become.
function OnStoredInstance(instance, tags, metadata, origin)
  if RADIOGRAPHS[tags.Modality] and tags.Manufacturer ~= OWN_MANUFACTURER then
    local order = { Resources = { instance }, Asynchronous = true }
    RestApiPost('/modalities/pneumoscope/store', DumpJson(order, true))
  end
  retry()
end

function OnJobFailure(id)
  if is_worth_retrying(ParseJson(RestApiGet('/jobs/' .. id))) then
    failed[id] = true
  end
end

-- From Orthanc 1.11 on, in every LuaHeartBeatPeriod.
function OnHeartBeat()
  retry()
end

-- For Orthanc 1.10, which has no heartbeat: whatever asks it anything, say a health check.
function IncomingHttpRequestFilter(method, uri, ip, username, headers)
  retry()
  return true
end
