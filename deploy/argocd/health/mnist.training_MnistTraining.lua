-- Health of a MnistTraining for Argo CD, from its phase.
local health = {
  Pending = "Progressing",
  Provisioning = "Progressing",
  Running = "Progressing",
  Suspended = "Suspended",
  Succeeded = "Healthy",
  Failed = "Degraded",
}
local status = obj.status or {}
if status.phase == nil then
  return { status = "Progressing", message = "Waiting for the operator" }
end
-- What is said about an older spec says nothing about this one.
if (status.observedGeneration or 0) < (obj.metadata.generation or 0) then
  return { status = "Progressing", message = "Waiting for the operator to see the change" }
end
local message = status.message or status.phase
local training = status.training
if status.phase == "Running" and training ~= nil and training.progressPercent ~= nil then
  message = message .. " (" .. training.progressPercent .. " %)"
end
return { status = health[status.phase] or "Unknown", message = message }
