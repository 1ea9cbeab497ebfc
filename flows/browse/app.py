"""The web application: addresses, and what answers them."""

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from flawcast.flows.browse.compare import Compared, compare_page
from flawcast.flows.browse.filters import Filter
from flawcast.flows.browse.guard import Guard
from flawcast.flows.browse.pages import (
    FOR_EVER,
    Render,
    renderer,
    static_files,
    tell_problems,
    webp,
)
from flawcast.flows.browse.pictures import SHEETS, SINGLE, Pictures
from flawcast.flows.browse.reviewing import review_page, reviews_are_fixed
from flawcast.flows.browse.versions import TaggedSamples, TagPages
from flawcast.flows.browse.views import find_cards, grid_page, set_page
from flawcast.storage import SampleStore
from flawcast.storage.sample_cache import CachedSamples

Chosen = Annotated[Filter, Query()]


class Mark(BaseModel):
    """A review as a page posts it.

    Args:
        sample_id: The sample.
        review: "accepted", "rejected" or "none".
        note: Why.
    """

    sample_id: str
    review: str
    note: str = ""


def make_app(held: CachedSamples, pictures: Pictures, guard: Guard, reviewer: str) -> FastAPI:
    """The application for one store: its pages, and below /tag/NAME/ those of its tags.

    Args:
        held: The store's samples.
        pictures: Makes the pictures.
        guard: Decides who may look.
        reviewer: The name under which reviews are stored.
    """
    tags = TaggedSamples(held)

    def pages(held: CachedSamples) -> FastAPI:
        tag = held.store.tagged
        of_tag = {"base": f"/tag/{tag}" if tag else "", "tag": tag, "tags": tags.names}
        shared = {"form": guard.form, "store": held.store.url, **of_tag}
        return _pages(held, Pictures(held.store, pictures.cache), renderer(shared), reviewer)

    app = pages(held)
    app.middleware("http")(guard)
    app.mount("/static", static_files())
    app.mount("/tag/{name}", TagPages(tags, pages))
    page = renderer({"form": guard.form, "store": held.store.url, "base": "", "tag": None})

    @app.get("/compare")
    def compare(request: Request, chosen: Annotated[Compared, Query()]) -> Response:
        """The page that shows two versions or runs side by side."""
        return page(request, "compare.html", compare_page(tags, chosen))

    return app


def _pages(held: CachedSamples, pictures: Pictures, page: Render, reviewer: str) -> FastAPI:
    """The pages of a store as it is, or of a tag."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    def grid(request: Request, chosen: Chosen) -> Response:
        """The page of all samples, or of those that the filter selects."""
        return page(request, "grid.html", grid_page(held, chosen))

    @app.get("/cards")
    def cards(request: Request, chosen: Chosen) -> Response:
        """The part of that page which changes with the filter."""
        values = {"filter": chosen, "cards": find_cards(held, chosen)}
        return page(request, "cards.html", values)

    @app.get("/set/{set_id}")
    def one_set(request: Request, set_id: str) -> Response:
        """The page of one set."""
        return page(request, "set.html", set_page(held, set_id))

    @app.get("/set/{set_id}/keypoints")
    def keypoints(set_id: str) -> Response:
        """Keypoints of all futures, (N, F, D), float32, little endian."""
        values = held.store.open_array(set_id, "keypoints")[:]
        data = values.astype("<f4").tobytes()  # type: ignore[union-attr]
        return Response(data, media_type="application/octet-stream", headers=FOR_EVER)

    @app.get("/set/{set_id}/{name}.webp")
    def sheet(set_id: str, name: str, rank: int = 0) -> Response:
        """All frames of one of a set's videos."""
        if name not in SHEETS:
            raise HTTPException(404, "there is no such picture")
        return webp(pictures.sheet(set_id, name, rank))

    @app.get("/set/{set_id}/{name}/{number}.webp")
    def frame(set_id: str, name: str, number: int, rank: int = 0) -> Response:
        """One frame at its own size, or what lies over it."""
        if name not in SINGLE:
            raise HTTPException(404, "there is no such picture")
        return webp(pictures.frame(set_id, name, rank, number))

    @app.get("/clip/{sample_id}.webp")
    def clip(sample_id: str, still: bool = False) -> Response:
        """A small looping clip."""
        return webp(pictures.clip(held.find(sample_id), still))

    @app.get("/review")
    def reviewing(request: Request, chosen: Chosen) -> Response:
        """The page that goes through samples one by one."""
        return page(request, "review.html", review_page(held, chosen))

    @app.get("/verdicts")
    def verdicts() -> Response:
        """Marks by sample id, those of colleagues included."""
        rows = held.verdicts().select(("sample_id", "verdict")).to_pylist()
        values = {row["sample_id"]: row["verdict"] for row in rows}
        return JSONResponse(values, headers={"Cache-Control": "no-store"})

    @app.post("/review")
    def review(mark: Mark) -> Response:
        """Add a review to the store; nothing else is ever written to it."""
        if held.store.tagged is not None:
            raise reviews_are_fixed(held.store.tagged)
        store = SampleStore.open(held.store.url, "a")
        store.review(mark.sample_id, mark.review, mark.note, reviewer)
        return JSONResponse({"sample_id": mark.sample_id, "review": mark.review})

    tell_problems(app, page)
    return app
