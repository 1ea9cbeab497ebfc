"""Placement: where on a part a defect lies, and how it is turned there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawcast.configs.errors import DefectError
from flawcast.generators.backbones.layers.vision import cv2
from flawcast.generators.defects.host import Host, Mask
from flawcast.generators.defects.reasons import RefusedError
from flawcast.generators.defects.sketch import SPAN, Floats, Sketch, Where

SEARCHED = 112  # pixels of the part's long side in which room is searched for
TURNS = 8  # directions that are tried where none is asked for
WHOLE = 0.97  # share of a defect that has to lie on the part, inside
IN_REGION = 0.6  # share of a defect that has to lie in the region
RIM_TRIES = 24  # places along the outline
LEAST_AT_EDGE, LEAST_PLACED = 0.35, 0.5  # shares on the part, of a defect at an edge and elsewhere
FRAME_RIM = 2  # pixels: an outline so near the frame's border is where the frame cuts the part
LEAN = 25.0  # degrees by which a defect at an edge departs from the inward direction


@dataclass(frozen=True)
class Placement:
    """A defect's plane in the source frame.

    Args:
        matrix: Map of the defect's plane to pixels, (2, 3).
        length: Length of the defect, pixels along the part's plane.
        angle: Direction of the defect from that of the part's long side, degrees.
        where: Inside or at an edge.
    """

    matrix: NDArray[np.float64]
    length: float
    angle: float
    where: Where

    @property
    def centre(self) -> NDArray[np.float64]:
        """Pixel position of the plane's origin."""
        return self.matrix[:, 2]


@dataclass(frozen=True)
class Wish:
    """What is asked of a placement; None leaves it to chance.

    Args:
        size: Length of the defect as a share of the part's extent.
        angle: Degrees from the part's long side; None for any.
        region: Where it may lie, (H, W); None for the whole part.
        at: Centre in the part's terms, as `Host.in_part` gives it.
        where: Inside or at an edge; None for what the type likes.
    """

    size: float
    angle: float | None = None
    region: Mask | None = None
    at: tuple[float, float] | None = None
    where: Where | None = None


def place(
    host: Host, sketch: Sketch, where: Where, wish: Wish, rng: np.random.Generator, turn: bool
) -> Placement:
    """Find a place for a sketch.

    Args:
        host: The part.
        sketch: The defect.
        where: Inside the part or at its outline.
        wish: Size, angle, region and centre.
        rng: Chooses among the places that fit.
        turn: Whether the sketch has a direction of its own, which comes to lie along the angle.

    Raises:
        DefectError: If the region has another size than the frame.
        RefusedError: If the defect fits nowhere, or the region or the centre is off the part.
    """
    check_wish(host, wish)
    length = wish.size * host.extent
    if where == "edge":
        return _at_edge(host, sketch, wish, length, rng)
    fitted = sketch.fitted(where, turn)
    if wish.angle is not None:
        angles = [wish.angle]
    else:
        start = rng.uniform(0, 180)
        angles = [start + step * 180 / TURNS for step in range(TURNS)]
    if wish.at is not None:
        found = Placement(
            _matrix(host, fitted, angles[0], length, host.in_picture(wish.at)),
            length,
            _half_turn(angles[0]),
            where,
        )
        if _share_on(host, sketch, found) < LEAST_PLACED:
            raise RefusedError(
                "off_part",
                f"place: expected a place on the part, {wish.at[0]:.2f},{wish.at[1]:.2f} is beside "
                "it; choose one nearer to 0,0, its centre",
            )
        return found
    for angle in angles:
        centre = _room(host, sketch, fitted, angle, length, wish.region, rng)
        if centre is not None:
            matrix = _matrix(host, fitted, angle, length, centre)
            return Placement(matrix, length, _half_turn(angle), where)
    what = "the region" if wish.region is not None else "the part"
    raise RefusedError(
        "too_large" if wish.region is None else "region_off_part",
        f"size: expected a defect that fits into {what}, one of {wish.size:.2f} of the part's "
        "extent fits nowhere; lower the size",
    )


def check_wish(host: Host, wish: Wish) -> None:
    """Refuse sizes and regions that no part has room for.

    Raises:
        DefectError: If the size is not above 0 or the region has another size than the frame.
        RefusedError: If the size is above 1 or the region is off the part.
    """
    if not wish.size > 0:
        raise DefectError(f"size: expected a share above 0, got {wish.size}; raise it")
    if wish.size > 1:
        raise RefusedError(
            "too_large",
            f"size: expected a defect no larger than the part, got {wish.size:.2f} of its extent; "
            "give at most 1",
        )
    if wish.region is None:
        return
    if wish.region.shape != host.part.shape:
        height, width = host.size
        raise DefectError(
            f"region: expected a mask of {width}x{height} as the frame, got "
            f"{wish.region.shape[1]}x{wish.region.shape[0]}; resize it"
        )
    if not (wish.region & host.part).any():
        raise RefusedError(
            "region_off_part", "region: expected a region on the part, it covers none; redraw it"
        )


def _matrix(
    host: Host,
    fitted: NDArray[np.float64],
    angle: float,
    length: float,
    centre: NDArray[np.floating],
) -> NDArray[np.float64]:
    """The sketch's plane, made 2 long, turned, laid into the part's plane and moved: (2, 3)."""
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    linear = host.plane @ np.array([[cos, -sin], [sin, cos]]) * (length / 2)
    return np.concatenate([linear @ fitted[:, :2], linear @ fitted[:, 2:] + centre[:, None]], 1)


def footprint(sketch: Sketch, matrix: NDArray[np.float64], size: tuple[int, int]) -> Floats:
    """Share of each pixel that a sketch covers, (H, W) of `size`."""
    nodes = len(sketch.cover)
    grid = np.diag([2 * SPAN / nodes, 2 * SPAN / nodes, 1.0])
    grid[:2, 2] = SPAN / nodes - SPAN  # middles of nodes
    return np.asarray(
        cv2.warpAffine(sketch.cover, matrix @ grid, size[::-1], flags=cv2.INTER_LINEAR), np.float32
    )


def _room(
    host: Host,
    sketch: Sketch,
    fitted: NDArray[np.float64],
    angle: float,
    length: float,
    region: Mask | None,
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    """A random centre at which the defect lies on the part as a whole; None if there is none."""
    scale = min(1.0, SEARCHED / host.extent)
    small = _shrunk(host.part, scale, rim=2)
    side = int(np.ceil(length * scale * 1.25)) | 1
    middle = np.full(2, side // 2, float)
    kernel = footprint(sketch, _matrix(host, fitted, angle, length * scale, middle), (side, side))
    kernel /= max(1e-6, float(kernel.sum()))
    fits = _shares(small, kernel) >= WHOLE
    if region is not None:
        fits &= _shares(_shrunk(region & host.part, scale), kernel) >= IN_REGION
    rows, columns = np.nonzero(fits)
    if not len(rows):
        return None
    chosen = int(rng.integers(len(rows)))
    jitter = rng.uniform(-0.5, 0.5, 2)
    return (np.array([columns[chosen], rows[chosen]]) + 0.5 + 0.5 * jitter) / scale - 0.5


def _at_edge(
    host: Host, sketch: Sketch, wish: Wish, length: float, rng: np.random.Generator
) -> Placement:
    """A place on the part's outline, with the sketch's x axis pointing inwards."""
    points, normals = outline(host.part)
    inside = np.ones(len(points), bool)
    if wish.region is not None:
        columns, rows = points.T.astype(int)
        inside = wish.region[rows, columns]
    if not inside.any():
        raise RefusedError(
            "region_off_part" if wish.region is not None else "off_part",
            "region: expected an outline of the part in it, found none; let it reach the edge",
        )
    points, normals = points[inside], normals[inside]
    order = rng.permutation(len(points))[:RIM_TRIES]
    if wish.at is not None:
        wanted = host.in_picture(wish.at)
        order = np.argsort(np.linalg.norm(points - wanted, axis=1))[:1]
    fitted = sketch.fitted("edge", turn=False)
    for index in order:
        inward = np.linalg.solve(host.plane, -normals[index])
        angle = float(np.degrees(np.arctan2(inward[1], inward[0])))
        lean = rng.uniform(-LEAN, LEAN)
        if wish.angle is not None and sketch.anchor == (-1.0, 0.0):
            lean = (wish.angle - angle + 90) % 180 - 90
        lean = float(np.clip(lean, -LEAN, LEAN))
        matrix = _matrix(host, fitted, angle + lean, length, points[index])
        found = Placement(matrix, length, _half_turn(angle + lean), "edge")
        if _share_on(host, sketch, found) >= LEAST_AT_EDGE:
            return found
    raise RefusedError(
        "too_large",
        f"size: expected a defect that fits at the part's edge, one of {wish.size:.2f} of the "
        "part's extent fits nowhere; lower the size",
    )


def outline(part: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of the part's outer edges within the frame, and which way is out: (n, 2) each."""
    height, width = part.shape
    found, _ = cv2.findContours(part.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = max(found, key=len)[:, 0].astype(np.float64)
    low, high = points.min(1), np.minimum(width - 1 - points[:, 0], height - 1 - points[:, 1])
    points = points[(low > FRAME_RIM) & (high > FRAME_RIM)]
    soft = cv2.GaussianBlur(part.astype(np.float32), (0, 0), 2.5)
    across, down = (cv2.Sobel(soft, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    columns, rows = points.T.astype(int)
    normals = -np.column_stack([across[rows, columns], down[rows, columns]])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    return points, normals.astype(np.float64)


def _share_on(host: Host, sketch: Sketch, found: Placement) -> float:
    """Share of the defect that lies on the part."""
    height, width = host.size
    margin = int(found.length)
    padded = found.matrix + np.array([[0, 0, margin], [0, 0, margin]])
    cover = footprint(sketch, padded, (height + 2 * margin, width + 2 * margin))
    inner = cover[margin : margin + height, margin : margin + width]
    return float((inner * host.part).sum() / max(1e-6, float(cover.sum())))


def _shares(mask: Floats, kernel: Floats) -> Floats:
    """Share of a footprint that is on a mask, for each centre, (h, w)."""
    return np.asarray(
        cv2.filter2D(mask, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT), np.float32
    )


def _shrunk(mask: Mask, scale: float, rim: int = 0) -> Floats:
    """A mask at a smaller size, without its outermost pixels, (h, w) in [0, 1]."""
    values = mask.astype(np.uint8)
    if rim:
        values = cv2.erode(
            values, np.ones((2 * rim + 1,) * 2, np.uint8), borderType=cv2.BORDER_REPLICATE
        )
    size = tuple(max(1, round(side * scale)) for side in mask.shape[::-1])
    return np.asarray(
        cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32
    )


def _half_turn(angle: float) -> float:
    """An angle within (-90, 90]: a defect has a direction, but no front."""
    return float(-((-angle + 90) % 180 - 90))
