"""What may lie in the tree."""

import re
from pathlib import Path

from tests.house.paths import ROOT, committed_files

REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("static", "crates", "io"),
        ("index", "crates", "io"),
        ("proxy", "golang", "org"),
        ("buf", "build/"),
    )
)
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:home|root|Users|work|opt|mnt)/[\w.]")


def text_of(path: Path) -> str:
    """The file as text; bytes that are none do not hide those that are."""
    return path.read_bytes().decode("utf-8", errors="replace")


def test_no_committed_file_names_a_registry_host() -> None:
    named = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in committed_files()
        for host in REGISTRY_HOSTS
        if host in text_of(path)
    ]
    assert named == []


def test_no_committed_file_holds_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in committed_files()
        for match in [MACHINE_PATH.search(text_of(path))]
        if match and path != Path(__file__).resolve()
    ]
    assert found == []


def test_the_machine_path_pattern_finds_what_it_should() -> None:
    assert MACHINE_PATH.search("cache = '/home/someone/x'")
    assert MACHINE_PATH.search("see /root/.cargo/config")
    assert not MACHINE_PATH.search("https://example.org/home/page")


def test_no_lock_holds_an_address() -> None:
    for lock in ("requirements.lock", "tools/uv.lock", "tools/bench.lock"):
        assert "://" not in (ROOT / lock).read_text()
    sources = set(re.findall(r'^source = "(.*)"$', (ROOT / "Cargo.lock").read_text(), re.MULTILINE))
    assert sources == {"registry+https://github.com/rust-lang/crates.io-index"}


def test_the_licence_is_the_whole_of_apache_2() -> None:
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert all(f"\n   {number}. " in licence for number in range(1, 10))
