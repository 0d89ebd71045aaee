"""`ray job status|submit|logs` over plain HTTP, in place of Ray's own command, which takes seconds to import.

Called as `python -m mnist_local.pod.ray_job <ray's own command> job …`. Whatever it does not know, Ray's command does.
"""

import argparse
import json
import os
import shlex
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

_TIMEOUT_S = 60.0
_POLL_S = 0.5
_TERMINAL = {"SUCCEEDED", "FAILED", "STOPPED"}


class UnknownOptionError(Exception):
    """What only Ray's own command knows."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UnknownOptionError(message)


def _parser() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("action", choices=("status", "logs", "submit"))
    parser.add_argument("job_id", nargs="?")
    for option in ("--address", "--submission-id"):
        parser.add_argument(option)
    for flag in ("--follow", "--no-wait"):
        parser.add_argument(flag, action="store_true")
    return parser


class JobsApi:
    """The Job REST API of one dashboard at a URL. HTTP and connection errors are raised as OSError."""

    def __init__(self, address: str, token: str) -> None:
        self._base = f"{address.rstrip('/')}/api/jobs/"
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["x-ray-authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str = "", body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, self._headers, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - the address we were given
            return json.loads(response.read() or b"null")

    def status(self, job_id: str) -> str:
        return str(self.call("GET", job_id)["status"])

    def logs(self, job_id: str) -> str:
        """The whole log so far."""
        return str(self.call("GET", f"{job_id}/logs").get("logs") or "")


def _token() -> str:
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token
    path = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(path).read_text().strip() if path else ""


def _submit(api: JobsApi, options: argparse.Namespace, entrypoint: list[str]) -> int:
    request = {"entrypoint": shlex.join(entrypoint), "submission_id": options.submission_id}
    job_id = api.call("POST", body=request)["submission_id"]
    _print(f"Job '{job_id}' submitted successfully\n")
    return 0 if options.no_wait else _follow(api, job_id)


def _follow(api: JobsApi, job_id: str) -> int:
    """Print the log as it grows until the job has ended; 1 for a failed job, as Ray's command."""
    printed = 0
    while True:
        status = api.status(job_id)
        text = api.logs(job_id)
        _print(text[printed:])
        printed = len(text)
        if status in _TERMINAL:
            _print(f"\nJob '{job_id}' {status.lower()}\n")
            return 1 if status == "FAILED" else 0
        time.sleep(_POLL_S)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def run(arguments: list[str]) -> int:
    """The command after `ray job`. Raises UnknownOptionError for what only Ray's own command knows."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options = _parser().parse_intermixed_args(arguments[:split])
    address = options.address or os.environ.get("RAY_API_SERVER_ADDRESS") or ""
    if not address.startswith("http://") or (options.action != "submit" and options.job_id is None):
        raise UnknownOptionError(f"address {address!r}, job {options.job_id!r}")
    api = JobsApi(address, _token())
    if options.action == "submit":
        return _submit(api, options, arguments[split + 1 :])
    if options.action == "status":
        _print(f"Status for job '{options.job_id}': {api.status(options.job_id)}\n")
        return 0
    if options.follow:
        _follow(api, options.job_id)  # like Ray's command: having followed a failed job is not a failure
    else:
        _print(api.logs(options.job_id))
    return 0


def main() -> int:
    """Entry point; argv is the path of Ray's own command and its arguments."""
    ray, _, *arguments = sys.argv[1:]
    try:
        return run(arguments)
    except UnknownOptionError:
        os.execv(ray, [ray, "job", *arguments])  # noqa: S606 - replaces this process
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"ray job: HTTP {error.code}: {error.read().decode(errors='replace')[-2000:]}\n")
    except OSError as error:
        sys.stderr.write(f"ray job: {error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
