"""Defects cut out of stills by hand: a rectangle, the mask that GrabCut proposes, a brush, a label.

The page holds no picture of its own making: the server works out each mask anew from the rectangle
and the strokes, for the proposal and for the bank alike.
"""

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from PIL import Image
from pydantic import BaseModel, Field, FiniteFloat

from flawcast.configs.errors import DefectError
from flawcast.flows.browse.guard import Guard
from flawcast.flows.browse.pages import renderer, static_files, tell_problems, webp
from flawcast.flows.browse.pictures import LARGE, PINK, encoded, outlined
from flawcast.flows.browse.serve import Address, PageServer
from flawcast.generators.clips.pictures import read_picture
from flawcast.generators.defects.bank import Bank, Box, Stills, Stroke, add_marked, outline
from flawcast.generators.defects.bank.adding import still_of
from flawcast.generators.defects.bank.stills import HELD_OUT

FRESH = {"Cache-Control": "no-store"}  # a still may be replaced
MOST_STROKES = 500
TINT = 90  # opacity of a proposed mask, of 255
Name = Annotated[str, Field(min_length=1, max_length=1000)]
Pixel = Annotated[int, Field(ge=-100_000, le=100_000)]
Point = tuple[
    Annotated[FiniteFloat, Field(ge=-100_000, le=100_000)],
    Annotated[FiniteFloat, Field(ge=-100_000, le=100_000)],
]


class Rectangle(BaseModel):
    """A rectangle as the page posts it; see `Box`."""

    left: Pixel
    top: Pixel
    width: Pixel
    height: Pixel


class Painted(BaseModel):
    """A stroke as the page posts it; see `Stroke`."""

    on: bool
    radius: Annotated[FiniteFloat, Field(ge=0.5, le=500)]
    points: Annotated[list[Point], Field(min_length=1, max_length=20_000)]


class Marked(BaseModel):
    """What is marked in a still.

    Args:
        name: The still.
        box: Around the defect.
        strokes: Of the brush, from the first to the last.
    """

    name: Name
    box: Rectangle
    strokes: Annotated[list[Painted], Field(max_length=MOST_STROKES)] = []


class Saved(Marked):
    """A defect for the bank.

    Args:
        label: What it is called.
        licence: Under which the still may be used.
    """

    label: Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
    licence: Annotated[str, Field(max_length=200)] = ""


class Desk:
    """The stills and the bank that pages work on; several threads may share one.

    Args:
        stills: The stills; those of the test split are not shown.
        bank: The bank.
        said: What the fields "label" and "licence" begin with.

    Raises:
        DefectError: If every still is of the test split.
    """

    def __init__(self, stills: Stills, bank: Bank, said: Mapping[str, str] | None = None) -> None:
        self.stills, self.bank = stills, bank
        self.said = {"label": "", "licence": "", **(said or {})}
        self._lock = threading.Lock()
        self.names = stills.admitted()
        self.picture = lru_cache(4)(self._picture)

    def _picture(self, name: str) -> np.ndarray:
        """A still, RGB."""
        path = still_of(self.stills, name)
        if name not in self.names:
            raise DefectError(f"{name}: {HELD_OUT}")
        return read_picture(path)

    def mask(self, marked: Marked) -> np.ndarray:
        """The mask of what is marked.

        Raises:
            DefectError: If nothing in the rectangle stands out, or it is no rectangle.
        """
        strokes = [Stroke(one.on, one.radius, tuple(one.points)) for one in marked.strokes]
        return outline(self.picture(marked.name), Box(**marked.box.model_dump()), strokes)

    def save(self, saved: Saved) -> dict[str, Any]:
        """Put what is marked into the bank."""
        mask = self.mask(saved)
        label, licence = saved.label.strip(), saved.licence.strip()
        with self._lock:
            item = add_marked(self.stills, saved.name, mask, self.bank, label, licence)
            return {
                "item_id": None if item is None else item.item_id,
                "label": label,
                "pixels": int(mask.sum()),
                "items": len(self.bank),
            }

    def page(self) -> dict[str, Any]:
        """Values for the page."""
        with self._lock:
            items = [
                {"item_id": item.item_id, "label": item.label, "source": item.source}
                for item in self.bank
            ]
        labels = {name: self.said["label"] or self.stills.label_of(name) for name in self.names}
        return {
            "names": self.names,
            "held_out": len(self.stills.files) - len(self.names),
            "bank": str(self.bank.folder),
            "folder": str(self.stills.folder),
            "labels": sorted({str(item["label"]) for item in items}),
            "licence": self.said["licence"],
            "items": items,
            "data": {"names": self.names, "labels": labels},
        }


def make_by_hand(desk: Desk, guard: Guard) -> FastAPI:
    """The application that cuts defects out of stills.

    Args:
        desk: The stills and the bank.
        guard: Decides who may look.
    """
    shared = {"form": guard.form, "store": str(desk.bank.folder), "base": "", "tag": None}
    page = renderer(shared)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(guard)
    app.mount("/static", static_files())

    @app.get("/")
    def start(request: Request) -> Response:
        """The page."""
        return page(request, "by_hand.html", desk.page())

    @app.get("/still")
    def still(name: Annotated[str, Query(max_length=1000)]) -> Response:
        """A still at its own size, as it is cut."""
        picture = Image.fromarray(desk.picture(name))
        quick = picture.width * picture.height >= LARGE
        return webp(encoded([picture], lossless=True, quality=0 if quick else 20), FRESH)

    @app.post("/outline")
    def propose(marked: Marked) -> Response:
        """The mask of what is marked, as colours to lay over the still."""
        mask = desk.mask(marked)
        colours = outlined(mask.astype(np.uint8) * 255, drawn=True)
        colours[mask] = (*PINK, TINT)
        return webp(encoded([Image.fromarray(colours)], lossless=True, quality=0), FRESH)

    @app.post("/save")
    def save(saved: Saved) -> Response:
        """Put what is marked into the bank."""
        return JSONResponse(desk.save(saved))

    @app.get("/item/{item_id}.webp")
    def item(item_id: str) -> Response:
        """An item of the bank with its outline."""
        cut = desk.bank.cut_out(desk.bank[item_id])
        border = Image.fromarray(outlined(cut.mask.astype(np.uint8) * 255, drawn=True))
        picture = Image.fromarray(cut.picture).convert("RGBA")
        picture.alpha_composite(border)
        return webp(encoded([picture.convert("RGB")], lossless=True, quality=20))

    tell_problems(app, page)
    return app


def serve_by_hand(desk: Desk, address: Address, on_ready: Callable[[str], None]) -> PageServer:
    """A server of the page.

    Args:
        desk: The stills and the bank.
        address: The address to listen on.
        on_ready: Called with the URL once it can be opened.

    Raises:
        SettingsError: If the address cannot be listened on.
    """
    return PageServer(address, lambda guard: make_by_hand(desk, guard), on_ready)
