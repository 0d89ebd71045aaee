-- Health of a RayJob for Argo CD.
local status = obj.status or {}
local deployment = status.jobDeploymentStatus or ""
local message = status.message
if message == nil or message == "" then
  message = deployment
end
if deployment == "Complete" then
  if status.jobStatus == "SUCCEEDED" then
    return { status = "Healthy", message = "Succeeded" }
  end
  return { status = "Degraded", message = message }
elseif deployment == "Failed" or deployment == "ValidationFailed" then
  return { status = "Degraded", message = (status.reason or deployment) .. ": " .. message }
elseif deployment == "Suspended" then
  return { status = "Suspended", message = "Suspended" }
elseif deployment == "" then
  return { status = "Progressing", message = "Waiting for KubeRay" }
end
return { status = "Progressing", message = message }
