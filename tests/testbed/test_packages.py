"""The pinned packages: what is fetched is what was pinned, or it is refused."""

import base64
import dataclasses
import hashlib
import io
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from xmargin.testbed import packages
from xmargin.testbed.errors import (
    IntegrityError,
    NodeMissingError,
    NpmFetchError,
    NpmMissingError,
    UnsupportedPlatformError,
)
from xmargin.testbed.packages import Package


def _tarball(path: Path, entries: list[tuple[str, bytes, bytes]]) -> Package:
    """A package of (name, tar type, content) entries, correctly pinned, wanting `wanted.json`."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, content in entries:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            if kind == tarfile.REGTYPE:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            else:
                entry.linkname = content.decode()
                archive.addfile(entry)
    digest = hashlib.sha512(path.read_bytes()).digest()
    pin = "sha512-" + base64.b64encode(digest).decode()
    return Package("local", "1.0.0", pin, ("wanted.json",))


def test_one_changed_byte_is_refused(tmp_path: Path) -> None:
    tarball = tmp_path / "p.tgz"
    package = _tarball(tarball, [("package/wanted.json", tarfile.REGTYPE, b"{}")])
    packages.check_integrity(tarball, package)
    changed = bytearray(tarball.read_bytes())
    changed[-1] ^= 1
    tarball.write_bytes(changed)
    with pytest.raises(IntegrityError, match=r"local@1\.0\.0 has integrity"):
        packages.check_integrity(tarball, package)


@pytest.mark.chains
def test_a_package_of_another_pin_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XMARGIN_CACHE_DIR", str(tmp_path))
    wrong = dataclasses.replace(packages.CHAINLINK, integrity="sha512-AAAA")
    with pytest.raises(IntegrityError, match="pinned is sha512-AAAA"):
        packages.fetch(wrong)
    assert list((tmp_path / "npm").iterdir()) == []


def test_only_wanted_plain_files_are_unpacked(tmp_path: Path) -> None:
    package = _tarball(
        tmp_path / "p.tgz",
        [
            ("package/../../outside.json", tarfile.REGTYPE, b"no"),
            ("package/other.json", tarfile.REGTYPE, b"no"),
            ("package/wanted.json", tarfile.REGTYPE, b"yes"),
        ],
    )
    packages._unpack(tmp_path / "p.tgz", package, tmp_path / "inner" / "out")
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["inner/out/wanted.json", "p.tgz"]


def test_a_link_in_place_of_a_wanted_file_is_refused(tmp_path: Path) -> None:
    package = _tarball(
        tmp_path / "p.tgz", [("package/wanted.json", tarfile.SYMTYPE, b"/etc/passwd")]
    )
    with pytest.raises(IntegrityError, match=r"lacks package/wanted\.json"):
        packages._unpack(tmp_path / "p.tgz", package, tmp_path / "out")


@pytest.mark.chains
def test_two_processes_that_fetch_at_once_both_get_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XMARGIN_CACHE_DIR", str(tmp_path))
    program = "from xmargin.testbed import packages; print(packages.fetch(packages.CHAINLINK))"
    both = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    folders = {process.communicate(timeout=120)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(folders) == 1
    folder = Path(folders.pop())
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]
    assert all((folder / member).stat().st_size for member in packages.CHAINLINK.members)


@pytest.mark.chains
def test_an_unreachable_registry_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XMARGIN_CACHE_DIR", str(tmp_path / "ours"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npms"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(NpmFetchError, match="check that npm reaches its registry"):
        packages.fetch(packages.CHAINLINK)


def test_a_machine_without_node_and_npm_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XMARGIN_CACHE_DIR", str(tmp_path / "cache"))
    assert not packages.node_available()
    with pytest.raises(NodeMissingError, match=r"install Node\.js"):
        packages.node_path()
    with pytest.raises(NpmMissingError, match=r"install Node\.js"):
        packages.fetch(packages.CHAINLINK)


def test_a_platform_without_binaries_is_told_which_have_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(UnsupportedPlatformError, match="linux-x64-glibc"):
        packages.anvil_package()


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XMARGIN_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/where")
    assert packages.cache_dir() == Path("/some/where/xmargin")
    monkeypatch.setenv("XMARGIN_CACHE_DIR", "/else/where")
    assert packages.cache_dir() == Path("/else/where")
