"""The control surface under /_simulator, for tests and demos: create projects, read the ground truth, inject faults."""

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from worker.simulator.api import refusal
from worker.simulator.faults import Faults
from worker.simulator.lifecycle.projects import SimulatorFullError
from worker.simulator.simulation import Simulation

PAGE = 1000
MOST_AT_ONCE = 10_000


class Control:
    """The endpoints that the real API does not have."""

    def __init__(self, simulation: Simulation) -> None:
        """Control this state."""
        self._simulation = simulation

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/healthz", self.health, methods=["GET"]),
            Route("/_simulator/projects", self.records, methods=["GET"]),
            Route("/_simulator/projects", self.create, methods=["POST"]),
            Route("/_simulator/stats", self.stats, methods=["GET"]),
            Route("/_simulator/requests", self.requests, methods=["GET"]),
            Route("/_simulator/faults", self.faults, methods=["GET"]),
            Route("/_simulator/faults", self.misbehave, methods=["PUT"]),
        ]

    async def health(self, _request: Request) -> Response:
        """Respond as soon as the server does."""
        return JSONResponse({"status": "ok"})

    async def records(self, request: Request) -> Response:
        """Return a page of the ground truth; `next` is the `after` of the following page, null on the last one."""
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit()):
            return refusal(400, f"after must be the number of a project, not {after}")
        # One more than a page shows whether another page follows.
        records = self._simulation.record(int(after), PAGE + 1)
        page = records[:PAGE]
        return JSONResponse({"projects": page, "next": page[-1]["number"] if len(records) > PAGE else None})

    async def create(self, request: Request) -> Response:
        """Create `count` projects, of one create endpoint if its `path` is given, and list them."""
        try:
            body = await request.json()
            count, path = body["count"], body.get("path")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return refusal(400, 'the body must be JSON like {"count": 100, "path": "/v1/image-to-video"}')
        if type(count) is not int or not 1 <= count <= MOST_AT_ONCE:
            return refusal(400, f"count must be a whole number from 1 to {MOST_AT_ONCE}")
        try:
            projects = self._simulation.create(count, path)
        except ValueError as error:
            return refusal(400, str(error))
        except SimulatorFullError:
            return refusal(503, f"no room for {count} more projects: too many have not settled yet")
        return JSONResponse(
            [
                {"id": p.id, "kind": p.endpoint.kind, "credits_charged": p.life.moments[0].credits_charged}
                for p in projects
            ]
        )

    async def stats(self, _request: Request) -> Response:
        """Return the number of API responses by status."""
        return JSONResponse(self._simulation.stats())

    async def requests(self, _request: Request) -> Response:
        """Return the times of each API key's requests, by the first 12 hex digits of the key's SHA-256."""
        return JSONResponse(self._simulation.log.times())

    async def faults(self, _request: Request) -> Response:
        """Return the faults that are active, how often each has happened, and how many scripted ones are left."""
        misfortune = self._simulation.misfortune
        return JSONResponse(asdict(misfortune.faults) | {"waiting": misfortune.waiting, "met": dict(misfortune.met)})

    async def misbehave(self, request: Request) -> Response:
        """Replace the active faults by those in the body; `next` lists faults for the next requests."""
        try:
            body = await request.json()
            script = body.pop("next", [])
            self._simulation.misfortune.become(Faults(**body), script)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            return refusal(400, f'the body must be JSON like {{"rates": {{"500": 0.1}}, "next": ["html"]}}: {error}')
        return await self.faults(request)
