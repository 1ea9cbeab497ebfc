"""What all applications with pages share: templates, static files, and errors in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException

from flawcast.configs.errors import FlawcastError, one_line

HERE = Path(__file__).parent
FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # ids name the content
Render = Callable[..., Response]


def static_files() -> StaticFiles:
    """Scripts and styles."""
    return StaticFiles(directory=HERE / "static")


def renderer(shared: dict[str, Any]) -> Render:
    """Makes pages from templates, which share some values."""
    templates = Jinja2Templates(HERE / "templates")
    templates.env.globals.update(shared)

    def page(request: Request, name: str, values: dict[str, Any], code: int = 200) -> Response:
        return templates.TemplateResponse(
            request, name, values, code, {"Cache-Control": "no-store"}
        )

    return page


def webp(data: bytes, headers: dict[str, str] = FOR_EVER) -> Response:
    """A picture; by default one that never changes."""
    return Response(data, media_type="image/webp", headers=headers)


def tell_problems(app: FastAPI, page: Render) -> None:
    """Report an error in one line: as a page to a person, as JSON to a script."""

    def problem(request: Request, code: int, why: str) -> Response:
        line = one_line(why, limit=None)
        if "text/html" in request.headers.get("accept", ""):
            return page(request, "problem.html", {"problem": line}, code)
        return JSONResponse({"problem": line}, code)

    @app.exception_handler(FlawcastError)
    async def ours(request: Request, error: FlawcastError) -> Response:
        return problem(request, 404 if request.method == "GET" else 400, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return problem(request, 400, f"{where}: {first['msg']}; go back and choose again")

    @app.exception_handler(HTTPException)
    async def absent(request: Request, error: HTTPException) -> Response:
        return problem(request, error.status_code, str(error.detail))
