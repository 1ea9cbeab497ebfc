"""Columns of a set's defect of looks, which queries read from the set's settings."""

import json

SHAPE = json.dumps(
    {
        "defect": {
            "motion": "VARCHAR",
            "order": {
                "type": "VARCHAR",
                "item": "VARCHAR",
                "severity": "DOUBLE",
                "onset": "BIGINT",
                "placebo": "BOOLEAN",
            },
            "made": {
                "refused": "VARCHAR",
                "seed": "BIGINT",
                **dict.fromkeys(
                    ("size", "angle", "x", "y", "frame_x", "frame_y", "contrast"), "DOUBLE"
                ),
                "contrasts": ["DOUBLE"],
            },
        }
    }
)
# What has no defect is not parsed. DuckDB evaluates the same expression once for all columns.
SAID = f"(CASE WHEN contains(settings, '\"defect\"') THEN json_transform(settings, '{SHAPE}') END)"
ORDER, MADE = f"{SAID}.defect['order']", f"{SAID}.defect.made"
IS_MADE = f"({MADE}.refused = '')"
IS_DEFECT = f"({IS_MADE} AND NOT {ORDER}.placebo)"


def defect_columns(rows: str) -> str:
    """SQL of the columns in `schema.DEFECT_COLUMNS`, in their order.

    Args:
        rows: "sets" or "samples": the contrast of a sample is that in its own video.
    """
    contrast = f"{MADE}.contrast"
    if rows == "samples":
        contrast = f"coalesce({MADE}.contrasts[rank + 1], {contrast})"
    measured = {
        "size": f"{MADE}.size",
        "angle": f"{MADE}.angle",
        "x": f"{MADE}.x",
        "y": f"{MADE}.y",
        "frame_x": f"{MADE}.frame_x",
        "frame_y": f"{MADE}.frame_y",
        "severity": f"{ORDER}.severity",
        "contrast": contrast,
        "onset": f"coalesce({ORDER}.onset, 0)",
        "seed": f"{MADE}.seed",
    }
    item = f"CASE {ORDER}.item WHEN '' THEN 'procedural' ELSE {ORDER}.item END"
    columns = [
        f"coalesce({SAID}.defect.motion, label) AS motion_label",
        f"CASE WHEN {IS_DEFECT} THEN {ORDER}.type END AS defect_type",
        f"CASE WHEN {IS_DEFECT} THEN {item} END AS defect_source",
        *(
            f"CASE WHEN {IS_MADE} THEN {value} END AS defect_{name}"
            for name, value in measured.items()
        ),
        f"coalesce({IS_MADE} AND {ORDER}.placebo, false) AS placebo",
    ]
    return ", ".join(columns)
