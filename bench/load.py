"""A small HTTP loader: many kept connections in one process of its own, each walking through a scenario.

A scenario is a generator: it yields ``(method, path, body, headers)`` and is sent ``(status, headers, body)``. It raises
``Wrong`` for an answer it did not expect, which ends the run: a fast server of errors is no result. No task or future is
made per request, so the loader takes about 30 µs of a core for each; that share is measured and reported.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

Request = tuple[str, str, bytes | None, dict[str, str]]
Answer = tuple[int, dict[str, str], bytes]
Scenario = Generator[Request, Answer, None]


class Wrong(Exception):
    """An answer was not what the scenario needs."""


@dataclass
class Load:
    """What one run gave: scenarios and requests per second, seconds per scenario, and the loader's own share."""

    scenarios: int = 0
    requests: int = 0
    seconds: float = 0.0
    scenarios_per_second: float = 0.0
    requests_per_second: float = 0.0
    median_ms: float = 0.0
    p95_ms: float = 0.0
    loader_cpu_us_per_request: float = 0.0
    steps_ms: dict[str, float] = field(default_factory=dict)


class Connection(asyncio.Protocol):
    """One kept connection, walking through scenario after scenario until the time is over."""

    def __init__(self, run: "Run", number: int) -> None:
        self.run, self.number, self.buffer, self.turn = run, number, b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.begin()

    def begin(self) -> None:
        if time.perf_counter() >= self.run.end:
            self.transport.close()
            return
        self.scenario = self.run.make(self.number, self.turn)
        self.turn += 1
        self.started = time.perf_counter()
        self.send(next(self.scenario))

    def send(self, request: Request) -> None:
        method, path, body, headers = request
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.run.host}:{self.run.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.asked, self.what = time.perf_counter(), f"{method} {headers.get('X-Step', path)}"
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, gap, rest = self.buffer.partition(b"\r\n\r\n")
        if not gap:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            if not rest.endswith(b"0\r\n\r\n"):
                return
            body = _unchunked(rest)
        else:
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            body = rest
        self.buffer = b""
        now = time.perf_counter()
        self.run.requests += 1
        self.run.steps.setdefault(self.what, []).append(now - self.asked)
        try:
            self.send(self.scenario.send((int(first.split(" ", 2)[1]), headers, body)))
        except StopIteration:
            if now < self.run.end:
                self.run.times.append(now - self.started)
            self.begin()
        except Exception as error:  # noqa: BLE001 (every fault of a scenario ends the run and is shown)
            self.run.fault(error)

    def connection_lost(self, error: Exception | None) -> None:
        if time.perf_counter() < self.run.end and not self.run.done.done():
            self.run.fault(error or Wrong("the server closed the connection"))
        self.run.open -= 1
        if not self.run.open and not self.run.done.done():
            self.run.done.set_result(None)


class Run:
    """All connections of one run."""

    def __init__(
        self, host: str, port: int, connections: int, seconds: float, make: Callable[[int, int], Scenario]
    ) -> None:
        self.host, self.port, self.connections, self.seconds, self.make = host, port, connections, seconds, make
        self.requests, self.times, self.steps, self.open = 0, [], {}, connections  # type: ignore[var-annotated]

    def fault(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    async def go(self) -> Load:
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = loop.create_future()
        begun, cpu = time.perf_counter(), _cpu()
        self.end = begun + self.seconds
        for number in range(self.connections):
            await loop.create_connection(lambda number=number: Connection(self, number), self.host, self.port)
        await self.done
        spent, times = time.perf_counter() - begun, sorted(self.times)
        return Load(
            scenarios=len(times),
            requests=self.requests,
            seconds=round(spent, 3),
            scenarios_per_second=round(len(times) / self.seconds, 1),
            requests_per_second=round(self.requests / spent, 1),
            median_ms=round(times[len(times) // 2] * 1000, 2) if times else 0.0,
            p95_ms=round(times[int(len(times) * 0.95)] * 1000, 2) if times else 0.0,
            loader_cpu_us_per_request=round((_cpu() - cpu) / max(1, self.requests) * 1e6, 1),
            steps_ms={name: round(sorted(t)[len(t) // 2] * 1000, 2) for name, t in self.steps.items()},
        )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _unchunked(text: bytes) -> bytes:
    parts = []
    while text:
        size, _, text = text.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            break
        parts.append(text[:length])
        text = text[length + 2 :]
    return b"".join(parts)


def load(
    scenario: str, *, host: str = "127.0.0.1", port: int, connections: int, seconds: float, given: dict[str, Any]
) -> Load:
    """Run ``module:function`` of this package in a process of its own; ``function(given)`` makes scenarios.

    Raises Wrong with what the loader said.
    """
    order = {"scenario": scenario, "host": host, "port": port, "connections": connections, "seconds": seconds}
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps({**order, "given": given}),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise Wrong((done.stderr.strip().splitlines() or ["the loader failed"])[-1])
    return Load(**json.loads(done.stdout))


def main() -> None:
    """Read one order from standard input, print the result as JSON."""
    order = json.load(sys.stdin)
    module, _, name = order["scenario"].partition(":")
    make = getattr(import_module(f"bench.{module}"), name)(order["given"])
    run = Run(order["host"], order["port"], order["connections"], order["seconds"], make)
    json.dump(asdict(asyncio.run(run.go())), sys.stdout)


if __name__ == "__main__":
    main()
