"""A bucket that answers late, and the table of what reads from it."""

import http.client
import time
from urllib.parse import urlsplit

import pytest

from flawcast.flows.benchmarks import BENCHMARKS, BenchmarkRequest, bucket
from flawcast.flows.benchmarks.slow_bucket import _proxy
from tests.places import BUCKET


def test_the_proxy_keeps_each_request_back_and_changes_nothing(s3_server: str) -> None:
    port = urlsplit(s3_server).port
    assert port is not None
    body = bytes(range(256)) * 1000
    signed = {"Authorization": "AWS tests:moto looks no closer"}
    with _proxy(port, 0.1) as slow:
        connection = http.client.HTTPConnection("127.0.0.1", slow, timeout=30)
        for method in ("PUT", "GET"):
            began = time.perf_counter()
            sent = body if method == "PUT" else None
            connection.request(method, f"/{BUCKET}/proxy/object", sent, signed)
            answer = connection.getresponse()
            found = answer.read()
            assert answer.status == 200
            assert time.perf_counter() - began >= 0.1
        assert found == body
        connection.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_the_table_compares_a_local_disk_with_ways_to_read_a_bucket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"SETS": 2, "KEEP": 8, "FRAMES": 8, "SIDE": 64, "WORKERS": 1}.items():
        monkeypatch.setattr(bucket, name, value)
    monkeypatch.setattr(bucket, "AHEAD", 2)
    monkeypatch.setattr(bucket, "OTHERS", {})
    report = BENCHMARKS["bucket"](BenchmarkRequest(repeats=1), lambda done, total: None)
    ways = [row["way"] for row in report.rows]
    assert ways[:2] == [bucket.LOCAL, bucket.NAIVE]
    assert "bucket, ours after warm-up" in ways
    assert all(float(row["videos/s"]) > 0 for row in report.rows)
    assert all("ours" in name for name in report.headlines)
