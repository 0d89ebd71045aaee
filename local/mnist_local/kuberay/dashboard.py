"""Ray's Job REST API, as KubeRay uses it (importing Ray's own client costs seconds)."""

from dataclasses import dataclass

import aiohttp

from mnist_kube.objects import Object

_TIMEOUT_S = 2.0
_SUBMIT_TIMEOUT_S = 60.0  # Ray answers when the job's supervisor actor is being made


class DashboardError(Exception):
    """The dashboard was not reached, or did not give a usable answer; the message says why."""


@dataclass(frozen=True)
class JobInfo:
    """What Ray says of a job; times are Unix milliseconds, 0 where there is none yet."""

    status: str
    message: str
    start_time_ms: int
    end_time_ms: int


class Dashboard:
    """One cluster's dashboard."""

    def __init__(self, session: aiohttp.ClientSession, address: str, token: str) -> None:
        self._session = session
        self._base = f"http://{address}/api/jobs/"
        self._headers = {"x-ray-authorization": f"Bearer {token}"} if token else {}

    async def job(self, job_id: str) -> JobInfo | None:
        """The job, or None where this head knows no such job. Raises DashboardError."""
        status, body = await self._request("GET", job_id)
        if status == 404:
            return None
        if status != 200 or not isinstance(body, dict) or "status" not in body:
            raise DashboardError(f"HTTP {status}: {body}")
        times = [int(body.get(name) or 0) for name in ("start_time", "end_time")]
        return JobInfo(str(body["status"]), str(body.get("message") or ""), *times)

    async def submit(self, request: Object) -> None:
        """Submit a job. Raises DashboardError with Ray's reason."""
        status, body = await self._request("POST", "", request, _SUBMIT_TIMEOUT_S)
        if status != 200:
            raise DashboardError(f"HTTP {status}: {body}")

    async def stop(self, job_id: str) -> None:
        """Ask for the job to be stopped; does not wait for it. Raises DashboardError."""
        status, body = await self._request("POST", f"{job_id}/stop")
        if status not in {200, 404}:
            raise DashboardError(f"HTTP {status}: {body}")

    async def _request(
        self, method: str, path: str, body: Object | None = None, timeout_s: float = _TIMEOUT_S
    ) -> tuple[int, object]:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.request(
                method, self._base + path, json=body, headers=self._headers, timeout=timeout
            ) as response:
                if response.content_type == "application/json":
                    return response.status, await response.json()
                return response.status, (await response.text())[-1000:]
        except TimeoutError as error:
            raise DashboardError("context deadline exceeded") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DashboardError(str(error)) from error
