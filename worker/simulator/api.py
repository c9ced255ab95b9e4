"""The vendor's endpoints."""

from json import JSONDecodeError

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from worker.simulator.lifecycle import create_request, payloads
from worker.simulator.lifecycle.catalogue import CATALOGUE
from worker.simulator.lifecycle.links import FILES
from worker.simulator.lifecycle.projects import SimulatorFullError
from worker.simulator.simulation import Simulation


class Api:
    """Responds like the real API, with its plain {message} errors; 400 also has the newer `code`."""

    def __init__(self, simulation: Simulation) -> None:
        """Serve this state."""
        self._simulation = simulation

    def routes(self) -> list[Route]:
        """Return the routes, the most frequently requested one first."""
        project = "/v1/{kind}-projects/{project_id}"
        return [
            Route(project, self.read, methods=["GET"]),
            Route(project, self.delete, methods=["DELETE"]),
            Route("/v1/account", self.account, methods=["GET"]),
            Route("/v1/{tool}", self.create, methods=["POST"]),
            Route(FILES + "/{project_id}/{name}", self.download, methods=["GET"]),
        ]

    async def read(self, request: Request) -> Response:
        """Return a project's details."""
        project = self._simulation.projects.read(request.path_params["kind"], request.path_params["project_id"])
        if project is None:
            return refusal(404, "Not Found")
        origin = f"{request.scope['scheme']}://{request.headers.get('host', 'localhost')}"
        return JSONResponse(payloads.details(project, self._simulation.clock(), self._simulation.links, origin))

    async def delete(self, request: Request) -> Response:
        """Delete a project: 204, even if it is already deleted."""
        known = self._simulation.projects.delete(request.path_params["kind"], request.path_params["project_id"])
        return Response(status_code=204) if known else refusal(404, "Not Found")

    async def create(self, request: Request) -> Response:
        """Create a project through any of the create endpoints."""
        endpoint = CATALOGUE.get(request.url.path)
        if endpoint is None:
            return refusal(404, "Not Found")
        try:
            wanted = create_request.parse(endpoint, await request.json())
            project = self._simulation.create_one(endpoint, wanted)
        except (JSONDecodeError, UnicodeDecodeError, RecursionError):
            return refusal(400, "Missing request body", "invalid_request")
        except create_request.CreateRequestError as error:
            return refusal(400, str(error), "invalid_request")
        except SimulatorFullError:
            return refusal(503, "Service Unavailable")
        return JSONResponse(payloads.created(project))

    async def account(self, _request: Request) -> Response:
        """Return the account's remaining credits."""
        left = self._simulation.credits_left()
        return JSONResponse(
            {"id": "simulator", "email": None, "tier": "business", "credits": left, "subscription": None}
        )

    async def download(self, request: Request) -> Response:
        """Serve a placeholder file for a valid link; no key is needed."""
        if not self._simulation.links.good(request.url.path, request.url.query, self._simulation.clock()):
            return refusal(403, "SignatureDoesNotMatch")
        return Response(f"simulated {request.path_params['name']}\n", media_type="application/octet-stream")


def refusal(status: int, message: str, code: str | None = None) -> JSONResponse:
    """Return an error response."""
    return JSONResponse({"message": message} if code is None else {"code": code, "message": message}, status)
