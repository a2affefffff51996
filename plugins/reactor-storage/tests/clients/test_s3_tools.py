"""aws-cli and rclone, unchanged, as processes of their own against a live server."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ..conftest import Member

MIB = 1024 * 1024


@pytest.fixture
def key(live_server):
    with httpx.Client(base_url=live_server.url) as wire:
        yield Member(wire).s3_key()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(command: list[str], environment: dict[str, str], *, fails: bool = False) -> str:
    # What this machine says of Amazon's own servers is not meant.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_"))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=inherited | environment)
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


@pytest.fixture
def aws(live_server, key, tmp_path):
    # The module of the environment that runs the tests, not whatever is first on the path.
    program = Path(sys.executable).with_name("aws")
    if not program.exists():
        pytest.skip("aws-cli is not installed: pip install awscli")
    environment = {
        "AWS_ACCESS_KEY_ID": key["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
        # A region that Amazon has not: for its oldest ones aws-cli 1 presigns by Signature V2.
        "AWS_DEFAULT_REGION": "local",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    def call(*arguments: str, fails: bool = False) -> str:
        endpoint = ["--endpoint-url", f"{live_server.url}/storage/v1/s3"]
        return run([sys.executable, str(program), *endpoint, *arguments], environment, fails=fails)

    return call


@pytest.fixture
def rclone(live_server, key, tmp_path):
    program = os.environ.get("REACTOR_TEST_RCLONE") or shutil.which("rclone")
    if program is None:
        pytest.skip("rclone is not installed: apt-get install rclone, or name it in REACTOR_TEST_RCLONE")
    environment = {
        "RCLONE_CONFIG": str(tmp_path / "rclone.conf"),
        "RCLONE_CONFIG_R_TYPE": "s3",
        "RCLONE_CONFIG_R_PROVIDER": "Other",
        "RCLONE_CONFIG_R_ACCESS_KEY_ID": key["access_key_id"],
        "RCLONE_CONFIG_R_SECRET_ACCESS_KEY": key["secret_access_key"],
        "RCLONE_CONFIG_R_ENDPOINT": f"{live_server.url}/storage/v1/s3",
        "RCLONE_S3_UPLOAD_CUTOFF": "5M",
        "RCLONE_RETRIES": "1",
        "RCLONE_LOW_LEVEL_RETRIES": "1",
    }
    return lambda *arguments, fails=False: run([program, *arguments], environment, fails=fails)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "source"
    (made / "sub folder").mkdir(parents=True)
    (made / "a.txt").write_text("Hello")
    (made / "empty").write_bytes(b"")
    (made / "sub folder" / "ü+b.txt").write_text("odd")
    (made / "large.bin").write_bytes(os.urandom(12 * MIB))
    return made


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): digest(path) for path in folder.rglob("*") if path.is_file()}


def test_a_day_with_aws_cli(aws, folder, tmp_path):
    assert "make_bucket: docs" in aws("s3", "mb", "s3://docs")
    aws("s3", "sync", str(folder), "s3://docs/tree", "--no-progress")
    listed = aws("s3", "ls", "s3://docs/tree/", "--recursive")
    assert [line.split(maxsplit=3)[3] for line in listed.splitlines()] == [
        "tree/a.txt", "tree/empty", "tree/large.bin", "tree/sub folder/ü+b.txt",
    ]  # fmt: skip
    assert aws("s3", "sync", str(folder), "s3://docs/tree", "--no-progress", "--size-only") == ""
    aws("s3", "cp", "s3://docs/tree", "s3://docs/copy", "--recursive", "--no-progress")
    aws("s3", "sync", "s3://docs/copy", str(tmp_path / "back"), "--no-progress")
    assert contents(tmp_path / "back") == contents(folder)
    aws("s3", "mv", "s3://docs/copy/a.txt", "s3://docs/moved.txt")
    assert aws("s3", "cp", "s3://docs/moved.txt", "-") == "Hello"
    place = ["--bucket", "docs", "--key", "moved.txt"]
    head = json.loads(aws("s3api", "head-object", *place))
    assert (head["ContentLength"], head["ETag"]) == (5, f'"{hashlib.sha256(b"Hello").hexdigest()}"')
    refused = aws("s3api", "put-object", *place, "--if-none-match", "*", fails=True)
    assert "PreconditionFailed" in refused
    assert "AccessDenied" not in refused
    url = aws("s3", "presign", "s3://docs/moved.txt").strip()
    assert httpx.get(url).text == "Hello"
    assert "NoSuchKey" in aws(
        "s3api", "get-object", "--bucket", "docs", "--key", "none", str(tmp_path / "x"), fails=True
    )
    assert "BucketNotEmpty" in aws("s3", "rb", "s3://docs", fails=True)
    aws("s3", "rm", "s3://docs", "--recursive")
    aws("s3", "rb", "s3://docs")
    assert aws("s3", "ls") == ""


def test_a_day_with_rclone(rclone, folder, tmp_path):
    rclone("mkdir", "r:docs")
    rclone("copy", str(folder), "r:docs/tree")
    assert rclone("check", str(folder), "r:docs/tree", "--download") == ""
    listed = json.loads(rclone("lsjson", "-R", "--files-only", "r:docs"))
    assert {one["Path"]: one["Size"] for one in listed} == {
        "tree/a.txt": 5, "tree/empty": 0, "tree/large.bin": 12 * MIB, "tree/sub folder/ü+b.txt": 3,
    }  # fmt: skip
    # The time of change is kept in the metadata, so that a second run finds nothing to do.
    (folder / "a.txt").write_text("Hullo")
    os.utime(folder / "a.txt", (1_600_000_000, 1_600_000_000))
    rclone("sync", str(folder), "r:docs/tree")
    rclone("sync", "r:docs/tree", str(tmp_path / "back"))
    assert contents(tmp_path / "back") == contents(folder)
    assert (tmp_path / "back" / "a.txt").stat().st_mtime == 1_600_000_000
    rclone("moveto", "r:docs/tree/a.txt", "r:docs/moved.txt")
    assert rclone("cat", "r:docs/moved.txt") == "Hullo"
    assert rclone("cat", "r:docs/tree/large.bin", "--offset", "5", "--count", "0") == ""
    rclone("copy", "r:docs/tree/large.bin", "r:docs/copied")
    assert "tree/large.bin" in rclone("lsf", "-R", "r:docs")
    rclone("purge", "r:docs")
    assert rclone("lsd", "r:") == ""
