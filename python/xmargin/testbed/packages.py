"""The npm packages the testbed runs on: pinned, checked, cached outside the source tree.

Each package is one tarball fetched by ``npm pack``, so the user's own npm configuration decides
the registry, and is refused unless its sha512 equals the pin below. Nothing is installed and no
package script runs. Only the members named here are unpacked, into
``$XMARGIN_CACHE_DIR``, ``$XDG_CACHE_HOME/xmargin`` or ``~/.cache/xmargin``.
"""

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from xmargin.testbed.errors import (
    IntegrityError,
    NodeMissingError,
    NpmFetchError,
    NpmMissingError,
    UnsupportedPlatformError,
)

FETCH_TIMEOUT_S = 300.0
NODE_MAJOR_MIN = 18  # Node runs Surfpool's package alone, which needs this; anvil runs by itself
NODE_FIX = f"install Node.js {NODE_MAJOR_MIN} or newer with npm"
_MEMBER_ROOT = "package/"


@dataclass(frozen=True, slots=True)
class Package:
    """One npm package: exact version, pinned integrity (SRI), the members wanted of it."""

    name: str
    version: str
    integrity: str
    members: tuple[str, ...]
    executable: bool = False

    @property
    def spec(self) -> str:
        """What npm is asked for: ``name@version``."""
        return f"{self.name}@{self.version}"

    @property
    def cache_key(self) -> str:
        """A folder name that changes with the pin and with the list of members."""
        wanted = "\n".join((self.integrity, *self.members))
        digest = hashlib.sha256(wanted.encode()).hexdigest()[:16]
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}-{digest}"


def _aave_artifact(path: str) -> str:
    return f"artifacts/contracts/{path}.sol/{path.rsplit('/', 1)[-1]}.json"


AAVE_CONTRACTS = (
    "misc/AaveOracle",
    "misc/AaveProtocolDataProvider",
    "mocks/tokens/MintableERC20",
    "protocol/configuration/ACLManager",
    "protocol/configuration/PoolAddressesProvider",
    "protocol/configuration/PoolAddressesProviderRegistry",
    "protocol/libraries/logic/BorrowLogic",
    "protocol/libraries/logic/BridgeLogic",
    "protocol/libraries/logic/ConfiguratorLogic",
    "protocol/libraries/logic/EModeLogic",
    "protocol/libraries/logic/FlashLoanLogic",
    "protocol/libraries/logic/LiquidationLogic",
    "protocol/libraries/logic/PoolLogic",
    "protocol/libraries/logic/SupplyLogic",
    "protocol/pool/DefaultReserveInterestRateStrategy",
    "protocol/pool/Pool",
    "protocol/pool/PoolConfigurator",
    "protocol/tokenization/AToken",
    "protocol/tokenization/StableDebtToken",
    "protocol/tokenization/VariableDebtToken",
)

AAVE = Package(
    name="@aave/core-v3",
    version="1.19.3",
    integrity=(
        "sha512-Xr7+VcoU5b4mPwM4IUCnskw3lciwrnL4Xloyad8GOddYeixnri2lZYobNmErm1LwE50vqjI0O+9QGNKY2TDkeQ=="
    ),
    members=tuple(_aave_artifact(path) for path in AAVE_CONTRACTS),
)
CHAINLINK = Package(
    name="@chainlink/contracts",
    version="0.1.9",
    integrity=(
        "sha512-7UIqkdzarbK876YZAiGKeYj/ujG3FPVVxWLACxbdyacM+ryIAgcZMkaaavt5+NwVXJvVjwWmucWTDCTy0JP8ag=="
    ),
    members=("abi/v0.6/EACAggregatorProxy.json", "abi/v0.6/FluxAggregator.json"),
)
VIEM = Package(
    name="viem",
    version="2.40.0",
    integrity=(
        "sha512-Y5XoBUzkNiIGfIR+Y7uD6e4xFDsdzR4PgxWgUwSPcRUq86XI+bxZjvvrYU/s+amgt1LpOvvIMdmgQ8+ZIaNi0g=="
    ),
    members=("_cjs/constants/contracts.js",),
)
# The published layouts of programs that the venues read, and the clients those are held against.
DRIFT_SDK = Package(
    name="@drift-labs/sdk",
    version="2.156.0",
    integrity=(
        "sha512-LLdahH3a0lsU2queWT98m5AarRR07M0n4TLcaSP31ejO7J7rlQgw7uruEf7h8EA0DGLxJijbay9Vqv4TYkzbiw=="
    ),
    members=("src/idl/drift.json",),
)
MARGINFI_CLIENT = Package(
    name="@mrgnlabs/marginfi-client-v2",
    version="6.4.2",
    integrity=(
        "sha512-Xloeaa/W4ZUtXIOCoo7CGaiArQoqBIwl66oPPsfK8stBVoGgfCkuClnNG6VcmXCcgalYyWWWM1OF6gJsrc76YA=="
    ),
    members=("dist/idl/marginfi_0.1.8.json",),
)
KLEND_SDK = Package(
    name="@kamino-finance/klend-sdk",
    version="8.0.2",
    integrity=(
        "sha512-ukWAHbW8/YY5Y/l2Gk912mXAChCTlK1VAnpwnEAp4R7KiVgk8w9gaFWCQ3yZEvOF/BIefVmSFHnYqJh8OunFYQ=="
    ),
    members=("dist/idl/klend.json",),
)
# Other platforms' packages of these versions are not all published: add a row when they are.
ANVIL_BY_PLATFORM = {
    "linux-x64-glibc": Package(
        name="@foundry-rs/anvil-linux-amd64",
        version="1.7.1",
        integrity=(
            "sha512-+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg=="
        ),
        members=("bin/anvil",),
        executable=True,
    ),
}
SURFPOOL_BY_PLATFORM = {
    "linux-x64-glibc": Package(
        name="@solana/surfpool-linux-x64-gnu",
        version="1.5.0",
        integrity=(
            "sha512-d+wUCBdzw7U4inKoe+Lj7XlH8Nmd6A00IZOsG3R61NQbqhRVp7zFpVCCzV00RvgAOsSedkI87I6B4ehAuyGPAg=="
        ),
        members=("surfpool-sdk.linux-x64-gnu.node",),
    ),
}


def node_available() -> bool:
    """Whether both `node` and `npm` are on the PATH: what the testbed needs of the machine."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


def node_path() -> str:
    """The path of `node`.

    Raises:
        NodeMissingError: there is none.
    """
    found = shutil.which("node")
    if found is None:
        raise NodeMissingError(f"node is not on the PATH: {NODE_FIX}")
    return found


def cache_dir() -> Path:
    """Where unpacked packages are kept, outside the source tree."""
    if chosen := os.environ.get("XMARGIN_CACHE_DIR"):
        return Path(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "xmargin"
    return Path.home() / ".cache" / "xmargin"


def platform_name() -> str:
    """This machine as the package tables name it, such as ``linux-x64-glibc``."""
    machine = platform.machine().lower()
    cpu = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(machine, machine)
    system = platform.system().lower()
    if system != "linux":
        return f"{system}-{cpu}"
    return f"{system}-{cpu}-{platform.libc_ver()[0] or 'musl'}"


def anvil_package() -> Package:
    """The EVM node's package for this platform.

    Raises:
        UnsupportedPlatformError: it is not published for this platform.
    """
    return _for_this_platform(ANVIL_BY_PLATFORM, "anvil")


def surfpool_package() -> Package:
    """The Solana VM's package for this platform.

    Raises:
        UnsupportedPlatformError: it is not published for this platform.
    """
    return _for_this_platform(SURFPOOL_BY_PLATFORM, "surfpool")


def _for_this_platform(table: dict[str, Package], what: str) -> Package:
    here = platform_name()
    if here not in table:
        known = ", ".join(sorted(table))
        raise UnsupportedPlatformError(
            f"no pinned {what} binary for {here} (there is one for {known}): "
            "use such a machine or container, or replay a recorded tape"
        )
    return table[here]


def all_packages() -> tuple[Package, ...]:
    """Every package the testbed uses on this platform."""
    return (anvil_package(), surfpool_package(), AAVE, CHAINLINK, VIEM)


def fetch_all() -> dict[str, Path]:
    """Fetch what is missing, side by side; returns each package's folder by name."""
    packages = all_packages()
    with ThreadPoolExecutor(max_workers=len(packages)) as pool:
        return dict(zip((p.name for p in packages), pool.map(fetch, packages), strict=True))


def fetch(package: Package) -> Path:
    """The folder with the package's wanted members, fetched if it is not in the cache yet.

    Safe to call from several processes at once: each unpacks into a folder of its own, and the
    first rename wins.

    Raises:
        NpmMissingError: `npm` is needed and not there.
        NpmFetchError: npm could not get the package.
        IntegrityError: the package is not the pinned one.
    """
    target = cache_dir() / "npm" / package.cache_key
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as scratch:
        tarball = _npm_pack(package, Path(scratch))
        check_integrity(tarball, package)
        unpacked = Path(scratch) / "unpacked"
        _unpack(tarball, package, unpacked)
        _rename_unless_there(unpacked, target)
    return target


def _npm_pack(package: Package, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise NpmMissingError(f"npm is not on the PATH: {NODE_FIX}")
    command = [npm, "pack", package.spec, "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        raise NpmFetchError(
            f"npm pack {package.spec} did not end within {FETCH_TIMEOUT_S:.0f} s: "
            "check that npm reaches its registry"
        ) from late
    tarballs = sorted(folder.glob("*.tgz"))
    if done.returncode != 0 or len(tarballs) != 1:
        raise NpmFetchError(
            f"npm pack {package.spec} failed ({_npm_complaint(done.stderr)}): "
            "check that npm reaches its registry"
        )
    return tarballs[0]


def _npm_complaint(stderr: str) -> str:
    lines = [line.removeprefix("npm error ").strip() for line in stderr.splitlines()]
    said = [line for line in lines if line and not line.startswith("npm warn")]
    return "; ".join(said[:2]) or "it said nothing"


def check_integrity(tarball: Path, package: Package) -> None:
    """Compare the tarball's sha512 with the pin.

    Raises:
        IntegrityError: they differ; nothing of the tarball is to be used.
    """
    with tarball.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha512").digest()
    found = "sha512-" + base64.b64encode(digest).decode()
    if found != package.integrity:
        raise IntegrityError(
            f"{package.spec} has integrity {found}, pinned is {package.integrity}: "
            "it was refused; check the registry npm is configured for"
        )


def _unpack(tarball: Path, package: Package, folder: Path) -> None:
    """Write the wanted members only, as plain files under names of ours: no link, no `..`."""
    wanted = {_MEMBER_ROOT + member: folder / member for member in package.members}
    with tarfile.open(tarball, "r:gz") as archive:
        for entry in archive:
            destination = wanted.get(entry.name)
            content = archive.extractfile(entry) if entry.isreg() and destination else None
            if content is None or destination is None:
                continue
            destination.parent.mkdir(parents=True, exist_ok=True)
            with content, destination.open("wb") as out:
                shutil.copyfileobj(content, out)
            if package.executable:
                destination.chmod(0o755)
            del wanted[entry.name]
    if wanted:
        raise IntegrityError(f"{package.spec} lacks {min(wanted)}: correct its member list")


def _rename_unless_there(unpacked: Path, target: Path) -> None:
    try:
        unpacked.rename(target)
    except OSError:
        if not target.is_dir():
            raise
