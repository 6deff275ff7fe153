"""A configuration mistake is one line that names the key and the fix; secrets are never printed."""

from pathlib import Path

import pytest

from xmargin.config import Config, load_config, parse_config, redact
from xmargin.errors import ConfigError
from xmargin.model import REORG_DEPTH_MAX, Claim, PriceSpec, VenueSpec

OWNER = "0x" + "aa" * 20
TOKEN = "0x" + "0B" * 20
KEYED_URL = "https://rpc.example.org/v2/s3cr3t-key"
GOOD = f"""
[[chains]]
id = "eip155:1"
name = "one"
kind = "evm"
endpoints = [{{ label = "a", http = "{KEYED_URL}", ws = "wss://u:p4ss@example.org/?k=s3cr3t" }}]

[[tokens]]
id = "eip155:1/erc20:{TOKEN}"
symbol = "WETH"
asset = "ETH"
price = "ETH"
haircut = 0.1

[[feeds]]
id = "chainlink@eip155:1/0x{"f1" * 20}"
base = "ETH"
heartbeat_s = 3600

[[venues]]
id = "aave-v3@eip155:1"
kind = "aave-v3"
addresses_provider = "0x{"0a" * 20}"

[[portfolios]]
id = "alice"
accounts = ["aave-v3@eip155:1/{OWNER}", "wallet@eip155:1/{OWNER.upper().replace("X", "x")}"]
"""
SOLANA_ADDRESS = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
ON_SOLANA = f"""
[[chains]]
id = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
name = "two"
kind = "solana"
endpoints = [{{ label = "a", http = "{KEYED_URL}" }}]

[[tokens]]
id = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:{SOLANA_ADDRESS.replace("DA", "DB")}"
symbol = "USDC"
asset = "USDC"
price = "USDC"
program = "{SOLANA_ADDRESS}"

[[feeds]]
id = "pyth@solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/{SOLANA_ADDRESS.replace("DA", "DC")}"
base = "USDC"
heartbeat_s = 60

[[portfolios]]
id = "alice"
accounts = []
"""


def second_chain(name: str) -> str:
    return f"""
[[chains]]
id = "eip155:10"
name = "{name}"
kind = "evm"
endpoints = [{{ label = "a", http = "{KEYED_URL}" }}]

[[venues]]
id = "aave-v3@eip155:10"
kind = "aave-v3"
addresses_provider = "0x{"0b" * 20}"
"""


def native(coin: str) -> str:
    return f"""
[[tokens]]
id = "eip155:1/slip44:{coin}"
symbol = "ETH"
asset = "ETH"
price = "ETH"
"""


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_a_good_configuration_becomes_a_registry_of_canonical_ids() -> None:
    registry = parse_config(GOOD).registry()
    assert registry.tokens[0].id == f"eip155:1/erc20:{TOKEN.lower()}"
    assert registry.tokens[0].claim is Claim.NONE
    assert str(registry.tokens[0].haircut) == "0.1", "the written digits, not a float's"
    assert registry.portfolios[0].accounts == (
        f"aave-v3@eip155:1/{OWNER}",
        f"wallet@eip155:1/{OWNER}",
    )


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (changed('kind = "evm"', 'kind = "solana"'), "chains.0", "begin"),
        (changed('id = "eip155:1"', 'id = "mainnet"'), "chains.0.id", "CAIP-2"),
        (changed('label = "a", ', ""), "chains.0.endpoints.0.label", "add it"),
        (changed('name = "one"', 'name = "one"\nspeed = 3'), "chains.0.speed", "no such key"),
        (changed('http = "https', 'http = "ftp'), "chains.0.endpoints.0.http", "http or https"),
        (changed("haircut = 0.1", "haircut = 1.5"), "tokens.0.haircut", "less than or equal to 1"),
        (changed('price = "ETH"', 'price = "DOGE"'), "", "DOGE is not in a base of [[feeds]]"),
        (changed("heartbeat_s = 3600", "heartbeat_s = 0"), "feeds.0.heartbeat_s", "greater"),
        (changed('id = "alice"', 'id = "Alice Smith"'), "portfolios.0.id", "1 to 64"),
        (changed(OWNER, "0x12"), "portfolios.0.accounts.0", "no EVM address"),
        (
            changed('kind = "aave-v3"', 'kind = "aave-v3"\nsettings = { age_s_max = 60 }'),
            "venues.0.settings",
            'age_s_max: write a text, age_s_max = "…", or a list of texts',
        ),
        (
            changed('["aave-v3@eip155:1', '["aave-v3@eip155:10'),
            "",
            "eip155:10 is not in [[chains]]",
        ),
        (changed('["aave-v3@', '["compound@'), "", "compound@eip155:1 is not in [[venues]]"),
        (GOOD + GOOD[GOOD.index("[[feeds]]") : GOOD.index("[[venues]]")], "", "stands there twice"),
        (changed("heartbeat_s = 3600", 'heartbeat_s = 3600\nquote = "EUR"'), "", "EUR is not in"),
        (
            changed("heartbeat_s = 3600", 'heartbeat_s = 3600\nquote = "ETH"'),
            "",
            "ETH is quoted in ETH, which is itself priced through ETH; quote one of them in USD",
        ),
        (
            changed("heartbeat_s = 3600", 'heartbeat_s = 3600\nrole = "rate"'),
            "feeds.0",
            "a rate needs a cap",
        ),
        (changed("chainlink@", "erc4626@"), "feeds.0", "a rate needs a cap"),
        (
            changed("heartbeat_s = 3600", "heartbeat_s = 3600\nrate_snapshot = 1.1"),
            "feeds.0",
            "add rate_snapshot_at_s",
        ),
        (
            changed("heartbeat_s = 3600", "heartbeat_s = 3600\nprice_min = 2\nprice_max = 1"),
            "feeds.0",
            "price_min 2 is above price_max 1",
        ),
        (
            changed("heartbeat_s = 3600", "heartbeat_s = 3600\nprice_min = 0"),
            "feeds.0.price_min",
            "greater than 0",
        ),
        (
            changed("heartbeat_s = 3600", 'heartbeat_s = 3600\nsource = "0x12"'),
            "feeds.0.source",
            "no EVM address",
        ),
        (GOOD + '[[prices]]\nbase = "BTC"', "", "prices.BTC: BTC is not in a base of [[feeds]]"),
        (GOOD + 2 * '[[prices]]\nbase = "ETH"\n', "", "prices: ETH stands there twice"),
        (GOOD + '[[prices]]\nbase = "ETH"\npeg = "BTC"', "", "prices.ETH.peg: BTC is not in"),
        (
            changed("0a" * 20, "0a" * 19),
            "venues.0.addresses_provider",
            "is no EVM address; write 0x and 40 hex digits",
        ),
        (
            changed(f'addresses_provider = "0x{"0a" * 20}"', ""),
            "venues.0.addresses_provider",
            "add the address of the pool's PoolAddressesProvider",
        ),
        (changed('kind = "aave-v3"', 'kind = "wallet"'), "venues.0.kind", "a wallet is both"),
        (
            changed('name = "one"', f'name = "one"\nmulticall3 = "{SOLANA_ADDRESS}"'),
            "chains.0.multicall3",
            "is no EVM address",
        ),
        (
            changed("haircut = 0.1", f'program = "{SOLANA_ADDRESS}"'),
            "tokens.0.program",
            "only tokens on Solana belong to a program; remove it",
        ),
        (ON_SOLANA.replace(SOLANA_ADDRESS, TOKEN), "tokens.0.program", "is no Solana address"),
        (
            GOOD
            + f'[[portfolios]]\nid = "bob"\naccounts = {["wallet@eip155:1/0x" + "cc" * 20] * 2}',
            "",
            "is already in bob",
        ),
        (
            GOOD + f'[[portfolios]]\nid = "bob"\naccounts = ["wallet@eip155:1/{OWNER}"]\n',
            "",
            "is already in alice",
        ),
        (
            GOOD.replace(
                "[[feeds]]",
                f"""[[tokens]]
id = "eip155:1/erc20:0x{"0c" * 20}"
symbol = "X"
asset = "X"
price = "ETH"

[[feeds]]""",
                1,
            ),
            "",
            "ETH prices ETH already",
        ),
        (
            changed(KEYED_URL, "http://apikey:s3cr3t/PW@rpc.example.org/x"),
            "chains.0.endpoints.0.http",
            "write '/' in a password as %2F",
        ),
        (changed(KEYED_URL, "http://h:99999/s3cr3t"), "chains.0.endpoints.0.http", "its port"),
        (changed(KEYED_URL, "http://h/ s3cr3t"), "chains.0.endpoints.0.http", "space"),
        (changed('label = "a"', 'label = ""'), "chains.0.endpoints.0.label", "at least 1"),
        (changed('name = "one"', 'name = " "'), "chains.0.name", "pattern"),
        (GOOD + second_chain("one"), "", "chains.name: one stands there twice"),
        (
            changed("haircut = 0.1", 'claim = "venue-supply"\nvenue = "aave-v3@eip155:10"')
            + second_chain("two"),
            "",
            "aave-v3@eip155:10 is not in [[venues]] of its chain",
        ),
        (GOOD + native("60") + native("966"), "", "are one native coin; keep one"),
        (GOOD + native("060"), "tokens.1.id", "a number without leading zeros"),
        (GOOD + native("٦٠"), "tokens.1.id", "a number without leading zeros"),
        ("[[chains]", "config", "not TOML"),
        ("", "chains", "add it"),
    ],
)
def test_a_mistake_names_its_key_and_its_fix_in_one_line(text: str, key: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    message = caught.value.message
    assert says in message
    assert key in message
    assert caught.value.field == key
    assert "\n" not in message.split("not TOML")[0]
    assert "s3cr3t" not in message


def test_addresses_are_kept_in_their_canonical_form() -> None:
    upper = "0x" + "0A" * 20
    text = changed('name = "one"', f'name = "one"\nmulticall3 = "{upper}"')
    config = parse_config(text.replace("0x" + "0a" * 20, upper))
    assert config.chains[0].multicall3 == config.venues[0].addresses_provider == upper.lower()
    assert parse_config(ON_SOLANA).tokens[0].program == SOLANA_ADDRESS


def test_a_fork_of_a_protocol_is_a_row_of_configuration() -> None:
    provider = "0x" + "0b" * 20
    fork = f"""
[[venues]]
id = "spark@eip155:1"
kind = "aave-v3"
addresses_provider = "{provider}"

[[portfolios]]
id = "bob"
accounts = ["spark@eip155:1/{OWNER}"]
"""
    registry = parse_config(GOOD + fork).registry()
    assert VenueSpec("spark@eip155:1", "aave-v3", provider) in registry.venues
    assert len({venue.addresses_provider for venue in registry.venues}) == 2
    (bob,) = (portfolio for portfolio in registry.portfolios if portfolio.id == "bob")
    assert bob.accounts == (f"spark@eip155:1/{OWNER}",)


def test_a_reorg_may_be_as_deep_as_the_world_can_undo_and_no_deeper() -> None:
    def with_depth(blocks: int) -> str:
        return changed('name = "one"', f'name = "one"\nreorg_depth_max = {blocks}')

    assert parse_config(with_depth(REORG_DEPTH_MAX)).chains[0].reorg_depth_max == REORG_DEPTH_MAX
    with pytest.raises(ConfigError, match=f"less than or equal to {REORG_DEPTH_MAX}"):
        parse_config(with_depth(REORG_DEPTH_MAX + 1))


def test_urls_print_redacted() -> None:
    endpoint = parse_config(GOOD).chains[0].endpoints[0]
    for shown in (repr(endpoint), str(endpoint), endpoint.redacted, endpoint.model_dump_json()):
        assert "s3cr3t" not in shown
        assert "p4ss" not in shown
    assert endpoint.http_url == KEYED_URL
    assert redact(KEYED_URL) == "https://rpc.example.org/…"
    assert redact("http://127.0.0.1:8545") == "http://127.0.0.1:8545"


def test_a_url_comes_from_a_secret_file(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text(KEYED_URL + "\n")
    text = changed(f'http = "{KEYED_URL}"', f'http_FILE = "{secret}"')
    assert parse_config(text).chains[0].endpoints[0].http_url == KEYED_URL
    secret.write_bytes(b"s3cr3t \xff")
    with pytest.raises(ConfigError, match=r"it is no UTF-8 text") as caught:
        parse_config(text)
    assert "s3cr3t" not in caught.value.message
    secret.unlink()
    with pytest.raises(ConfigError, match=r"endpoints\.0\.http_FILE: cannot read the secret file"):
        parse_config(text)


def test_the_environment_goes_above_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XMARGIN__SERVICE__LISTEN", "127.0.0.1:7")
    assert parse_config(GOOD).service.listen == "127.0.0.1:7"


def test_the_environment_may_name_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "listen"
    secret.write_text("127.0.0.1:9\n")
    monkeypatch.setenv("XMARGIN__SERVICE__LISTEN_FILE", str(secret))
    assert parse_config(GOOD).service.listen == "127.0.0.1:9"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("XMARGIN__RISK__DISAGREEMENT_BPS_MAX", "many", "risk.disagreement_bps_max"),
        ("XMARGIN__SERVISE__LISTEN", "127.0.0.1:7", "no section 'servise'; there are chains"),
        ("XMARGIN__CHAINS", "[{s3cr3t", "holds no JSON"),
        ("XMARGIN__CHAINS__0__NAME", "two", "write it as JSON in XMARGIN__CHAINS"),
    ],
)
def test_a_mistake_in_the_environment_names_its_key(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        parse_config(GOOD)
    assert says in caught.value.message
    assert "s3cr3t" not in caught.value.message


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_says_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.toml"):
        load_config(path)


def test_bounds_become_those_of_the_registry_to_the_digit() -> None:
    text = changed("heartbeat_s = 3600", 'heartbeat_s = 3600\nprice_min = "0.10"')
    prices = '[[prices]]\nbase = "ETH"\nsources_min = 2\njump_bps_max = 2000\npeg = "USD"\n'
    registry = parse_config(text + prices).registry()
    assert str(registry.feeds[0].price_min) == "0.10"
    assert registry.prices == (PriceSpec("ETH", sources_min=2, jump_bps_max=2000, peg="USD"),)
    assert registry.price_spec("BTC") == PriceSpec("BTC")


def test_the_registry_does_not_depend_on_the_order_in_the_file() -> None:
    accounts = f'"aave-v3@eip155:1/{OWNER}", "wallet@eip155:1/{OWNER.upper().replace("X", "x")}"'
    first, second = accounts.split(", ")
    turned = changed(accounts, f"{second}, {first}")
    assert parse_config(turned).registry() == parse_config(GOOD).registry()
    assert isinstance(parse_config(turned), Config)
