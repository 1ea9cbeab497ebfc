"""Croissant: videos with a machine-readable description that mlcroissant loads.

Reference:
    Croissant 1.0, https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from flawcast.flows.exports.base import (
    COLUMNS,
    EXPORTS,
    Export,
    video_name,
    write_sample_video,
    write_samples_csv,
)

NUMBERS = ("mae", "ssim", "diversity")
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


@EXPORTS.register("croissant")
def croissant(export: Export, folder: Path) -> None:
    """Write videos/ID.mp4, samples.csv and croissant.json, whose records are the samples."""
    (folder / "videos").mkdir()
    for sample in export.samples():
        write_sample_video(folder / "videos", sample, export.settings)
    table = folder / "samples.csv"
    write_samples_csv(
        table, export.rows, lambda row: f"videos/{video_name(row['sample_id'], export.settings)}"
    )
    sha256 = hashlib.sha256(table.read_bytes()).hexdigest()
    described = json.dumps(_description(export, sha256), indent=1)
    (folder / "croissant.json").write_text(described, encoding="utf-8")


def _description(export: Export, sha256: str) -> dict[str, Any]:
    """The whole description."""
    date = max(row["created_at"] for row in export.rows).date().isoformat()
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": export.name,
        "description": "Synthetic defect videos made by flawcast from real clips; see README.md.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": export.settings.licence,
        "url": f"urn:flawcast:{export.name}",
        "version": "1.0.0",
        "datePublished": date,
        "citeAs": "flawcast",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "samples.csv",
                "name": "samples.csv",
                "contentUrl": "samples.csv",
                "encodingFormat": "text/csv",
                "sha256": sha256,
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "samples",
                "name": "samples",
                "description": "One record per synthetic video; file is its path.",
                "key": {"@id": "samples/sample_id"},
                "field": [_field(name) for name in COLUMNS],
            }
        ],
    }


def _field(name: str) -> dict[str, Any]:
    """One column of samples.csv."""
    return {
        "@type": "cr:Field",
        "@id": f"samples/{name}",
        "name": name,
        "description": name.replace("_", " "),
        "dataType": "sc:Float" if name in NUMBERS else "sc:Text",
        "source": {"fileObject": {"@id": "samples.csv"}, "extract": {"column": name}},
    }
