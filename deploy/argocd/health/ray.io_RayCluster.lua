-- Health of a RayCluster for Argo CD. `state` lags behind: it stays "ready" when a head is lost, and "suspended" until all
-- pods of a resumed cluster are there. So the conditions, where there are any, are asked first.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local function is(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end
if is("RayClusterSuspended") or (status.state == "suspended" and conditions.RayClusterSuspended == nil) then
  return { status = "Suspended", message = "Suspended" }
end
if is("ReplicaFailure") then
  return { status = "Degraded", message = conditions.ReplicaFailure.message or conditions.ReplicaFailure.reason }
end
if is("RayClusterSuspending") then
  return { status = "Progressing", message = "Suspending" }
end
if status.state == "failed" then
  return { status = "Degraded", message = status.reason or "Failed" }
end
local ready, wanted = status.readyWorkerReplicas or 0, status.desiredWorkerReplicas or 0
local workers = ready .. " of " .. wanted .. " workers ready"
if status.state == "ready" and is("HeadPodReady") and ready >= wanted then
  return { status = "Healthy", message = workers }
end
local head = conditions.HeadPodReady
if head ~= nil and head.status ~= "True" then
  return { status = "Progressing", message = "Waiting for the head: " .. (head.reason or "") }
end
return { status = "Progressing", message = workers }
