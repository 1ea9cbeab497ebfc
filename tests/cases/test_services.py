"""Services of our own: no proxy, HOME or setting of somebody else's reaches them."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import prefect.settings  # before a test sets its variables: it reads them when it is imported
import psutil
import pytest

from flawcast.configs.errors import FlawcastError
from flawcast.configs.proxies import proxy_for, spare_loopback
from flawcast.flows.running.configured_api import configured_api
from flawcast.flows.running.environment import clean, clean_environment, working_in
from flawcast.flows.running.prefect_server import (
    UNUSED_BY_A_RUN,
    _settings_of_the_environment,
    prefect_server,
)
from flawcast.flows.running.services import run_folder
from tests.cases.environments import FILES, HOSTILE, NOBODY


def test_services_see_what_they_need_and_nothing_else(tmp_path: Path) -> None:
    kept = {"PATH": "/bin", "LC_ALL": "C", "AWS_REGION": "x", "OMP_NUM_THREADS": "1", "TZ": "UTC"}
    made = clean(HOSTILE | kept, tmp_path)
    assert made.items() >= kept.items()
    assert made["HOME"] == str(tmp_path / "home")
    assert (tmp_path / "home").is_dir()
    seen = {name for name in HOSTILE if name in made and made[name] == HOSTILE[name]}
    assert seen == set()
    assert "no such level" not in made.values()


def test_a_bucket_keeps_the_proxies_that_services_do_not_see(tmp_path: Path) -> None:
    given = {"https_proxy": "http://proxy:3128", "no_proxy": "minio.intranet"}
    made = clean(given, tmp_path)
    assert not set(given) & set(made)
    again = clean(made, tmp_path)  # a run that a served run starts
    assert proxy_for("https://bucket.s3.amazonaws.com", again) == "http://proxy:3128"
    assert proxy_for("https://minio.intranet", again) is None
    assert proxy_for("http://127.0.0.1:9000", again) is None


def test_a_configured_server_elsewhere_is_reached_as_configured(tmp_path: Path) -> None:
    given = {"https_proxy": "http://proxy:3128", "PREFECT_API_KEY": "key", "HOME": "/home/me"}
    made = clean(given, tmp_path, "https://api.prefect.cloud/api")
    assert made["https_proxy"] == given["https_proxy"]
    assert made["PREFECT_API_KEY"] == "key"
    assert made["PREFECT_HOME"] == str(Path.home() / ".prefect")
    assert "127.0.0.1" in made["no_proxy"].split(",")


def test_a_configured_cluster_gets_the_users_home_and_ray_settings(tmp_path: Path) -> None:
    given = {"HOME": "/home/me", "RAY_AUTH_MODE": "token", "PREFECT_SERVER_API_AUTH_STRING": "a:b"}
    made = clean(given, tmp_path, own_ray=False)
    assert (made["HOME"], made["RAY_AUTH_MODE"]) == ("/home/me", "token")
    assert "PREFECT_SERVER_API_AUTH_STRING" not in made


def test_this_machine_is_exempt_from_proxies() -> None:
    environment = {"ALL_PROXY": "socks5://proxy:1"}
    spare_loopback(environment)
    assert environment["NO_PROXY"] == environment["no_proxy"] == "localhost,127.0.0.1,::1"
    untouched: dict[str, str] = {"PATH": "/bin"}
    spare_loopback(untouched)
    assert untouched == {"PATH": "/bin"}


def test_a_server_is_found_in_the_environment_files_and_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "prefect.settings", raising=False)
    home = {"PREFECT_HOME": str(tmp_path)}
    assert configured_api(home) is None
    profiles = 'active = "a"\n[profiles.a]\nPREFECT_API_URL = "http://a/api"\n[profiles.b]\n'
    (tmp_path / "profiles.toml").write_text(profiles)
    assert configured_api(home) == "http://a/api"
    assert configured_api(home | {"PREFECT_PROFILE": "b"}) is None
    (tmp_path / "prefect.toml").write_text('[api]\nurl = "http://file/api"\n')
    assert configured_api(home) == "http://file/api"
    (tmp_path / ".env").write_text("PREFECT_API_URL=http://dotenv/api\n")
    assert configured_api(home) == "http://dotenv/api"
    assert configured_api(home | {"PREFECT_API_URL": "http://set/api"}) == "http://set/api"


def test_profiles_are_where_a_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "prefect.settings", raising=False)
    (tmp_path / "mine.toml").write_text(
        'active = "a"\n[profiles.a]\nPREFECT_API_URL = "http://a/api"\n'
    )
    (tmp_path / ".env").write_bytes(b"PREFECT_PROFILES_PATH=mine.toml\n")
    assert configured_api({"PREFECT_HOME": "/dev/null"}) == "http://a/api"
    (tmp_path / ".env").write_bytes(b"\xff\xfe no text")
    assert configured_api({"PREFECT_HOME": "/dev/null"}) is None


def test_files_for_other_servers_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.env`, `prefect.toml` and `pyproject.toml` of the folder where a command is typed."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    for name, text in FILES.items():
        (theirs / name).write_text(text)
    monkeypatch.chdir(theirs)
    assert configured_api({"PREFECT_HOME": "/dev/null"}) is None
    with pytest.raises(ValueError, match="validation error"):
        prefect.settings.Settings()  # what they would do
    with _settings_of_the_environment(ours):
        settings = prefect.settings.get_current_settings()
        assert settings.logging.level == "INFO"
        assert settings.server.api.base_path is None
    assert Path.cwd() == theirs


def test_a_working_folder_that_has_gone_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with working_in(tmp_path):
        pass


def test_a_dead_configured_server_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prefect.settings.PREFECT_API_URL.value() is None
    monkeypatch.setenv("PREFECT_API_URL", f"http://{NOBODY}/api")
    with prefect_server(tmp_path) as server, pytest.raises(FlawcastError) as caught:
        server.wait()
    assert "refused" in str(caught.value)
    assert "PREFECT_API_URL" in str(caught.value)


def test_a_server_of_our_own_starts_in_a_hostile_environment_and_again_when_killed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with (
        run_folder() as folder,
        clean_environment(folder, None, own_ray=True),
        prefect_server(folder, UNUSED_BY_A_RUN) as server,
    ):
        server.wait()
        assert server.process is not None
        first = server.process.process
        first.kill()
        end = time.monotonic() + 150
        while time.monotonic() < end:
            if server.process.process is not first and _answers(server.url):
                break
            time.sleep(0.2)
        assert _answers(server.url)
    assert "is started anew" in capsys.readouterr().err
    assert not folder.exists()


def _answers(url: str) -> bool:
    """Whether a server is well."""
    try:
        return httpx.get(f"{url}/health", trust_env=False, timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


def test_what_a_killed_run_started_ends_within_seconds(tmp_path: Path) -> None:
    """A child that has rewritten nothing, and one that only holds a file of the run open."""
    script = (
        "import subprocess, sys, time\n"
        "from flawcast.flows.running.services import run_folder\n"
        "with run_folder() as folder:\n"
        "    named = [sys.executable, '-c', 'import time; time.sleep(99)', str(folder)]\n"
        "    silent = [sys.executable, '-c', 'import time; time.sleep(99)']\n"
        "    pids = [subprocess.Popen(named, start_new_session=True).pid]\n"
        "    with (folder / 'log').open('w') as log:\n"
        "        pids += [subprocess.Popen(silent, start_new_session=True, stdout=log).pid]\n"
        "    print(folder, *pids, flush=True)\n"
        "    time.sleep(99)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    folder, *pids = run.stdout.readline().split()
    assert all(psutil.pid_exists(int(pid)) for pid in pids)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    end = time.monotonic() + 30  # 5 on a quiet machine
    while time.monotonic() < end and (Path(folder).exists() or any(map(_lives, pids))):
        time.sleep(0.05)
    assert not Path(folder).exists()
    assert not any(map(_lives, pids))


def _lives(pid: str) -> bool:
    """Whether a process runs."""
    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
