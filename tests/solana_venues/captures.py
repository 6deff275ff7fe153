"""Real accounts: bytes of mainnet beside the tree, where they are there."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from xmargin.reads import SolanaAccount

FOLDER = Path(__file__).resolve().parents[3] / "shared/data/chain/solana"

needed = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="../shared with the real accounts is absent"
)


def account(name: str) -> SolanaAccount:
    """One account as an RPC node gave it."""
    captured = json.loads((FOLDER / f"{name}.json").read_text())
    held = captured["account"]
    data = base64.b64decode(held["data"][0])
    return SolanaAccount(captured["pubkey"], held["lamports"], held["owner"], data)


def drift_users() -> list[tuple[bytes, dict[str, Any]]]:
    """Fifty user accounts of Drift, each with what driftpy made of it."""
    raw = json.loads(gzip.decompress((FOLDER / "drift/user_accounts_base64.json.gz").read_bytes()))
    expected = json.loads((FOLDER / "drift/user_accounts_expected.json").read_text())
    return [(base64.b64decode(text), values) for text, values in zip(raw, expected, strict=True)]
