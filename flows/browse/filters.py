"""The filter of a page: read from its address, shown as a form, turned into SQL and an address."""

from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field, FiniteFloat

CHOICES = {  # fields of the form, and the column of each
    "label": "label",
    "mode": "mode",
    "forecaster": "forecaster",
    "run": "run_id",
    "review": "review",
    "defect": "defect_type",
}
RANGES = {  # pairs of sliders: the column of each, and its name for people
    "diversity": ("diversity", "Diversity"),
    "mae": ("mae", "Error"),
    "severity": ("defect_severity", "Severity"),
    "size": ("defect_size", "Defect size"),
    "contrast": ("defect_contrast", "Contrast"),
    "across": ("defect_frame_x", "Place across"),
    "down": ("defect_frame_y", "Place down"),
}
DEFECT_RANGES = ("severity", "size", "contrast", "across", "down")
SORTS = {
    "diversity": ("most diverse first", "diversity desc"),
    "-diversity": ("least diverse first", "diversity"),
    "mae": ("smallest error first", "mae"),
    "-mae": ("largest error first", "mae desc"),
    "ssim": ("highest SSIM first", "ssim desc"),
    "-ssim": ("lowest SSIM first", "ssim"),
    "new": ("newest first", "created_at desc, set_id, rank"),
    "set": ("by set and rank", "set_id, rank"),
}
LARGEST_PAGE = 1_000_000
Choice = Annotated[list[str], Field(max_length=200)]


class Filter(BaseModel):
    """Which samples are shown, and in which order; every field is a parameter of the address.

    Args:
        label: Show samples with these labels; empty for all. The next four work the same way.
        mode: Show samples with these modes.
        forecaster: Show samples by these forecasters.
        run: Show samples from these runs.
        review: Show samples with these reviews: "accepted", "rejected", "none".
        defect: Show samples with these types of defects of looks.
        diversity_from: The lowest diversity.
        diversity_to: The highest diversity.
        mae_from: The lowest error.
        mae_to: The highest error.
        severity_from: The lowest severity of a defect of looks; samples without one are left out.
        severity_to: The highest severity.
        size_from: The smallest size of a defect, a share of the part.
        size_to: The largest size.
        contrast_from: The lowest contrast-to-noise of a defect in its video.
        contrast_to: The highest contrast-to-noise.
        across_from: The leftmost place of a defect in the source frame, a share of its width.
        across_to: The rightmost place.
        down_from: The topmost place, a share of the frame's height.
        down_to: The lowest place.
        where: A SQL condition of the user's own.
        sort: A key of SORTS.
        page: Counted from 1.
    """

    label: Choice = []
    mode: Choice = []
    forecaster: Choice = []
    run: Choice = []
    review: Choice = []
    defect: Choice = []
    diversity_from: FiniteFloat | None = None
    diversity_to: FiniteFloat | None = None
    mae_from: FiniteFloat | None = None
    mae_to: FiniteFloat | None = None
    severity_from: FiniteFloat | None = None
    severity_to: FiniteFloat | None = None
    size_from: FiniteFloat | None = None
    size_to: FiniteFloat | None = None
    contrast_from: FiniteFloat | None = None
    contrast_to: FiniteFloat | None = None
    across_from: FiniteFloat | None = None
    across_to: FiniteFloat | None = None
    down_from: FiniteFloat | None = None
    down_to: FiniteFloat | None = None
    where: Annotated[str, Field(max_length=2000)] = ""
    sort: Annotated[str, Field(pattern=f"^({'|'.join(SORTS)})$")] = "diversity"
    page: Annotated[int, Field(ge=1, le=LARGEST_PAGE)] = 1

    @property
    def sql(self) -> str | None:
        """The condition over the columns of samples; None for all.

        Example:
            >>> Filter(label=["jam", "o'ring"], mae_to=0.02).sql
            "label in ('jam', 'o''ring') and mae <= 0.02"
        """
        parts = []
        for name, column in CHOICES.items():
            chosen = list(map(_quoted, getattr(self, name)))
            if chosen:
                many = len(chosen) > 1
                parts.append(
                    f"{column} in ({', '.join(chosen)})" if many else f"{column} = {chosen[0]}"
                )
        for name in RANGES:
            for end, sign in (("from", ">="), ("to", "<=")):
                bound = getattr(self, f"{name}_{end}")
                if bound is not None:
                    parts.append(f"{column_of(name)} {sign} {bound!r}")
        if self.where.strip():
            parts.append(f"({self.where.strip()})" if parts else self.where.strip())
        return " and ".join(parts) or None

    @property
    def order_by(self) -> str:
        """The SQL ordering."""
        return SORTS[self.sort][1]

    def address(self, **changes: Any) -> str:
        """Query string of this filter with `changes` applied; defaults are left out.

        Example:
            >>> Filter(label=["jam"], page=3).address(page=4)
            '?label=jam&page=4'
        """
        plain = Filter()
        values = {**self.model_dump(), **changes}
        changed = {name: value for name, value in values.items() if value != getattr(plain, name)}
        return "?" + urlencode(changed, doseq=True) if changed else "?"


def column_of(name: str) -> str:
    """The column that a pair of sliders is about."""
    return RANGES[name][0]


def _quoted(text: str) -> str:
    """Quote text for SQL."""
    return "'" + text.replace("'", "''") + "'"
