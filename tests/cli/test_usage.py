"""What bad input gets: one line that names what is wrong and how to mend it."""

import asyncio
import json
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.cli.command import interrupt_until_it_ends, started, xmargin

SECRET = "0badc0de0badc0de"  # noqa: S105 - what must never be printed

CONFIG = f"""
[service]
listen = "127.0.0.1:0"
[[chains]]
id = "eip155:31337"
name = "alpha"
kind = "evm"
request_timeout_ms = 500
[[chains.endpoints]]
label = "mine"
http = "http://user:{SECRET}@127.0.0.1:9/v3/{SECRET}?key={SECRET}"
ws = "ws://127.0.0.1:9/{SECRET}"
[[portfolios]]
id = "p1"
accounts = ["wallet@eip155:31337/0x00000000000000000000000000000000000000aa"]
"""

SOLANA = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
WITH_SOLANA = f"""{CONFIG}
[[chains]]
id = "{SOLANA}"
name = "beta"
kind = "solana"
endpoints = [{{ label = "yours", http = "http://127.0.0.1:9/{SECRET}" }}]
"""
ACCOUNT = "0x" + "ab" * 20
SOLANA_ACCOUNT = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"


def feed(identifier: str) -> str:
    return f'[[feeds]]\nid = "{identifier}"\nbase = "ETH"\nheartbeat_s = 60\n'


def venue(identifier: str, kind: str, provider: str) -> str:
    return f'[[venues]]\nid = "{identifier}"\nkind = "{kind}"\naddresses_provider = "{provider}"\n'


KIND_MISTAKES = {
    "unknown EVM venue kind": (
        CONFIG + venue("compound@eip155:31337", "compound-v9", ACCOUNT),
        "venues.compound@eip155:31337.kind: no venue kind 'compound-v9'",
    ),
    "unknown EVM feed kind": (
        CONFIG + feed(f"pyth@eip155:31337/{ACCOUNT}"),
        f"feeds.pyth@eip155:31337/{ACCOUNT}: no feed kind 'pyth'",
    ),
    "unknown Solana venue kind": (
        WITH_SOLANA + venue(f"aave-v3@{SOLANA}", "aave-v3", SOLANA_ACCOUNT),
        f"venues.aave-v3@{SOLANA}.kind: no venue kind 'aave-v3'",
    ),
    "unknown Solana feed kind": (
        WITH_SOLANA + feed(f"chainlink@{SOLANA}/{SOLANA_ACCOUNT}"),
        f"feeds.chainlink@{SOLANA}/{SOLANA_ACCOUNT}: no feed kind 'chainlink'",
    ),
    "bad addresses provider": (
        CONFIG + venue("spark@eip155:31337", "aave-v3", "0xabc"),
        "venues.0.addresses_provider: '0xabc' is no EVM address",
    ),
    "bad multicall3": (
        CONFIG.replace('name = "alpha"', 'name = "alpha"\nmulticall3 = "0x12"'),
        "chains.0.multicall3: '0x12' is no EVM address",
    ),
}

MISTAKES = {
    "unknown key": (CONFIG.replace("[service]", "[service]\nlisten_on = 1"), "service.listen_on"),
    "missing key": (CONFIG.replace('name = "alpha"', ""), "chains.0.name"),
    "bad chain id": (CONFIG.replace('"eip155:31337"\nname', '"mainnet"\nname'), "chains.0.id"),
    "bad account": (CONFIG.replace("00aa", "zz"), "portfolios.0.accounts.0"),
    "not TOML": ("[service", "config.toml"),
    "bad URL": (CONFIG.replace("http://user", "ftp://user"), "chains.0.endpoints.0.http"),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


def one_line(text: str) -> str:
    (line,) = text.splitlines()
    assert line.startswith("error: ")
    return line


async def test_help_lists_every_command_and_is_quick() -> None:
    started_s = time.monotonic()
    help_ = await xmargin("--help")
    assert time.monotonic() - started_s < 5  # its true time is a report's matter, not a test's
    assert help_.code == 0
    for command in ("demo", "serve", "health", "order", "watch", "record", "replay", "doctor",
                    "backtest"):  # fmt: skip
        assert f"  {command} " in help_.out
    assert "Exit codes" in help_.out


@pytest.mark.parametrize(
    "arguments",
    [("health", "--sever", "x"), ("walk",), ("replay",), ("record", "--tape", "x"), ("serve",)],
    ids=" ".join,
)
async def test_usage_mistakes_exit_2_and_leave_stdout_alone(arguments: tuple[str, ...]) -> None:
    outcome = await xmargin(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err


@pytest.mark.parametrize(
    ("command", "mistake"),
    [*(("serve", mistake) for mistake in MISTAKES), ("doctor", "unknown key"),
     ("record", "unknown key")],
)  # fmt: skip
async def test_a_config_mistake_is_one_line_naming_the_key(
    command: str, mistake: str, tmp_path: Path
) -> None:
    text, key = MISTAKES[mistake]
    path = tmp_path / "config.toml"
    path.write_text(text)
    tape = ("--tape", str(tmp_path / "out.tape")) if command == "record" else ()
    outcome = await xmargin(command, "--config", str(path), *tape)
    assert outcome.code == 2
    assert outcome.out == ""
    assert key in one_line(outcome.err)
    assert SECRET not in outcome.err
    assert not (tmp_path / "out.tape").exists()


@pytest.mark.parametrize(
    ("command", "mistake"),
    [
        *(("serve", mistake) for mistake in KIND_MISTAKES),
        ("record", "unknown Solana feed kind"),
        ("doctor", "unknown EVM venue kind"),
    ],
)
async def test_what_no_reader_knows_is_said_before_anything_listens_or_is_written(
    command: str, mistake: str, tmp_path: Path
) -> None:
    text, says = KIND_MISTAKES[mistake]
    path, tape = tmp_path / "config.toml", tmp_path / "out.tape"
    path.write_text(text)
    outcome = await xmargin(
        *(command, "--config", str(path)),
        *(("--tape", str(tape)) if command == "record" else ()),
        *(("--json",) if command == "serve" else ()),
        env={"XMARGIN__SERVICE__TAPE": str(tape)},
        timeout_s=20,
    )
    assert (outcome.code, outcome.out) == (2, "")
    line = one_line(outcome.err)
    assert says in line
    assert "; use" in line or "; write" in line
    assert not tape.exists()


async def test_a_config_that_is_not_there_is_one_line() -> None:
    outcome = await xmargin("serve", "--config", "no-such.toml")
    assert outcome.code == 2
    assert "no-such.toml" in one_line(outcome.err)


async def test_unknown_risk_parameters_are_a_usage_mistake(config: Path) -> None:
    outcome = await xmargin(
        "serve", "--config", str(config), env={"XMARGIN__RISK__PARAMETERS": "no-such-model"}
    )
    assert outcome.code == 2
    assert "no-such-model" in one_line(outcome.err)


async def test_a_server_that_is_not_there_is_one_line_saying_how_to_start_it() -> None:
    for command in ("health", "order", "watch"):
        outcome = await xmargin(command, "--server", "127.0.0.1:9")
        assert outcome.code == 1
        assert outcome.out == ""
        assert "xmargin serve" in one_line(outcome.err)


async def test_a_server_address_that_is_none_is_a_usage_mistake() -> None:
    outcome = await xmargin("health", "--server", "somewhere")
    assert outcome.code == 2
    assert "--server" in one_line(outcome.err)


async def test_a_file_that_is_no_tape_is_one_line(config: Path) -> None:
    for arguments in (("replay", str(config)), ("replay", "no-such.tape")):
        outcome = await xmargin(*arguments)
        assert outcome.code == 1
        assert outcome.out == ""
        assert arguments[1] in one_line(outcome.err)


@pytest.mark.parametrize("command", ["serve", "record", "doctor"])
async def test_an_endpoints_secrets_are_never_printed(
    command: str, config: Path, tmp_path: Path
) -> None:
    tape = tmp_path / "out.tape"
    arguments = {
        "serve": ("serve", "--config", str(config), "--verbose", "--json"),
        "record": ("record", "--config", str(config), "--tape", str(tape), "--verbose"),
        "doctor": ("doctor", "--config", str(config), "--verbose"),
    }[command]
    outcome = await xmargin(
        *arguments,
        interrupt_once_logged="" if command == "doctor" else "mine",
        interrupt_after_s=None if command == "doctor" else 1.0,  # for what it says afterwards
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "python")},
    )
    printed = outcome.out + outcome.err
    assert "mine" in printed
    assert SECRET not in printed
    for written in tmp_path.glob("*.tape"):
        assert SECRET.encode() not in written.read_bytes()


async def test_the_doctor_says_what_does_not_answer_and_exits_1(config: Path) -> None:
    outcome = await xmargin("doctor", "--config", str(config), "--json")
    assert outcome.code == 1
    assert '"healthy":false' in outcome.out
    assert "cannot be reached" in outcome.out


async def test_recording_ends_promptly_at_ctrl_c_and_says_where_the_tape_stands(
    config: Path, tmp_path: Path
) -> None:
    tape = tmp_path / "out.tape"
    arguments = ("record", "--config", str(config), "--tape", str(tape), "--json")
    async with started(*arguments) as process, asyncio.timeout(30):
        while not tape.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert b'"sequence":' in out
    again = await xmargin("replay", str(tape))
    assert again.code == 1
    assert "no chain has been read" in one_line(again.err)


async def test_a_second_ctrl_c_does_not_hurry_the_server(config: Path, tmp_path: Path) -> None:
    env = {"XMARGIN__SERVICE__TAPE": str(tmp_path / "out.tape")}
    async with started("serve", "--config", str(config), "--json", env=env) as process:
        assert process.stdout is not None
        assert b"listening" in await asyncio.wait_for(process.stdout.readline(), 30)
        outcome = await interrupt_until_it_ends(process)
    assert outcome.code == 0
    assert "Traceback" not in outcome.err
    assert "KeyboardInterrupt" not in outcome.err
    assert outcome.err.splitlines()[-1].endswith("stopped")


async def test_risk_parameters_out_of_range_are_refused_before_anything_is_written(
    config: Path, tmp_path: Path
) -> None:
    from xmargin.params import load_parameters

    tree = json.loads(load_parameters("unified-v1").content)
    tree["assets"]["BTC"]["shock"] = "7"
    parameters = tmp_path / "mine.json"
    parameters.write_text(json.dumps(tree))
    env = {
        "XMARGIN__RISK__PARAMETERS": str(parameters),
        "XMARGIN__SERVICE__TAPE": str(tmp_path / "out.tape"),
    }
    outcome = await xmargin("serve", "--config", str(config), env=env)
    assert outcome.code == 2
    assert "BTC" in one_line(outcome.err)
    assert not (tmp_path / "out.tape").exists()


async def test_a_port_that_is_taken_is_one_line(config: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = await xmargin(
            "serve",
            "--config",
            str(config),
            env={
                "XMARGIN__SERVICE__LISTEN": listen,
                "XMARGIN__SERVICE__TAPE": str(tmp_path / "t.tape"),
            },
        )
    assert outcome.code == 2
    assert listen in one_line(outcome.err)
