"""What others use to read videos from a bucket: WebDataset and litdata, if they are installed."""

import importlib
import io
import tarfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import DataLoader

from flawcast.flows.benchmarks.slow_bucket import BUCKET
from flawcast.storage import SampleSet

WORKERS, BATCH, BUFFER = 4, 4, 40
LEVEL = 3  # of zstd, as in a store

Load = Callable[[str, Path], Any]


def prepare_webdataset(folder: Path, direct: str, sets: Sequence[SampleSet]) -> Load:
    """A tar for each set in the bucket, and a loader that streams them through a buffer."""
    for number, made in enumerate(sets):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            for rank, video in enumerate(np.asarray(made.videos)):
                packed = _packed(video)
                info = tarfile.TarInfo(f"{number:03d}-{rank:03d}.zst")
                info.size = len(packed)
                tar.addfile(info, io.BytesIO(packed))
        _upload(direct, f"webdataset/{number:06d}.tar", data.getvalue())
    shape = np.asarray(sets[0].videos).shape[1:]
    last = f"{len(sets) - 1:06d}"

    def load(address: str, cache: Path) -> Any:
        wds = importlib.import_module("webdataset")
        # moto wants a signature, and takes any.
        curl = "curl -sf -H 'Authorization: AWS4-HMAC-SHA256 Credential=benchmark/1/us-east-1/s3/x'"
        urls = f"pipe:{curl} {address}/{BUCKET}/webdataset/{{000000..{last}}}.tar"
        read = (
            wds.WebDataset(urls, shardshuffle=len(sets), empty_check=False)
            .shuffle(BUFFER)
            .map(partial(_member, shape=shape))
            .batched(BATCH)
        )
        return DataLoader(
            read, batch_size=None, num_workers=WORKERS, multiprocessing_context="forkserver"
        )

    return load


def prepare_litdata(folder: Path, direct: str, sets: Sequence[SampleSet]) -> Load:
    """Chunks of a set's size in the bucket, and litdata's own streaming loader."""
    streaming = importlib.import_module("litdata.streaming.writer")
    out = folder / "litdata"
    out.mkdir()
    writer = streaming.BinaryWriter(str(out), chunk_size=len(np.asarray(sets[0].videos)))
    videos = [video for made in sets for video in np.asarray(made.videos)]
    for number, video in enumerate(videos):
        writer.add_item(number, {"video": _packed(video)})
    writer.done()
    writer.merge()
    for path in out.iterdir():
        _upload(direct, f"litdata/{path.name}", path.read_bytes())
    shape = videos[0].shape

    def load(address: str, cache: Path) -> Any:
        lit = importlib.import_module("litdata")
        read = lit.StreamingDataset(
            f"s3://{BUCKET}/litdata",
            shuffle=True,
            cache_dir=str(cache),
            storage_options={
                "endpoint_url": address,
                "aws_access_key_id": "benchmark",
                "aws_secret_access_key": "benchmark",
                "region_name": "us-east-1",
            },
            transform=partial(_item, shape=shape),
        )
        return lit.StreamingDataLoader(
            read, batch_size=BATCH, num_workers=WORKERS, multiprocessing_context="forkserver"
        )

    return load


def _packed(video: np.ndarray[Any, Any]) -> bytes:
    """A video's bytes, compressed as in a store."""
    return bytes(pa.Codec("zstd", LEVEL).compress(np.ascontiguousarray(video), asbytes=True))


def _tensor(data: bytes, shape: tuple[int, ...]) -> torch.Tensor:
    """A float tensor (F, 3, H, W), as our loader gives."""
    plain = pa.Codec("zstd").decompress(data, int(np.prod(shape)))
    video = torch.from_numpy(np.frombuffer(plain, np.uint8).reshape(shape).copy())
    return video.float().div_(255).permute(0, 3, 1, 2)


def _member(sample: dict[str, Any], shape: tuple[int, ...]) -> torch.Tensor:
    """A video of WebDataset."""
    return _tensor(sample["zst"], shape)


def _item(item: dict[str, Any], shape: tuple[int, ...]) -> torch.Tensor:
    """A video of litdata."""
    return _tensor(item["video"], shape)


def _upload(direct: str, name: str, data: bytes) -> None:
    """Put an object into the bucket."""
    import obstore
    from obstore.store import S3Store

    store = S3Store(BUCKET, endpoint=direct, client_options={"allow_http": True})
    obstore.put(store, name, data, use_multipart=False)


OTHERS: dict[str, Callable[[Path, str, Sequence[SampleSet]], Load]] = {
    "webdataset": prepare_webdataset,
    "litdata": prepare_litdata,
}
