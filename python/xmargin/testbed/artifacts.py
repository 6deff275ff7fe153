"""Compiled contracts from the pinned npm packages: ABI and bytecode, libraries linked in."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xmargin.errors import SetupError
from xmargin.testbed import packages


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract; `link_offsets` gives, by library, where its address goes (bytes)."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    link_offsets: dict[str, tuple[int, ...]]

    def linked(self, libraries: Mapping[str, str]) -> str:
        """The creation code with the libraries' addresses in place.

        Raises:
            SetupError: a library that the contract needs is not given.
        """
        code = self.bytecode
        for library, offsets in self.link_offsets.items():
            if library not in libraries:
                raise SetupError(f"{self.name} needs library {library}: deploy that first")
            address = libraries[library].removeprefix("0x").lower()
            for offset in offsets:
                at = 2 + 2 * offset
                code = code[:at] + address + code[at + len(address) :]
        return code


@functools.cache
def aave(path: str) -> Artifact:
    """An Aave contract by its path below `contracts/`, such as ``protocol/pool/Pool``."""
    return hardhat(packages.AAVE, f"artifacts/contracts/{path}")


@functools.cache
def hardhat(package: packages.Package, path: str) -> Artifact:
    """A contract of a package that ships Hardhat's artifacts, by its path in the package."""
    name = path.rsplit("/", 1)[-1]
    content = json.loads((packages.fetch(package) / f"{path}.sol/{name}.json").read_text())
    offsets = {
        library: tuple(place["start"] for place in places)
        for libraries in content["linkReferences"].values()
        for library, places in libraries.items()
    }
    return Artifact(name, content["abi"], content["bytecode"], offsets)


@functools.cache
def chainlink(name: str) -> Artifact:
    """A Chainlink v0.6 contract by its name."""
    file = packages.fetch(packages.CHAINLINK) / f"abi/v0.6/{name}.json"
    content = json.loads(file.read_text())["compilerOutput"]
    bytecode = "0x" + content["evm"]["bytecode"]["object"].removeprefix("0x")
    return Artifact(name, content["abi"], bytecode, {})
