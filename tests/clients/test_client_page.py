"""The page about the library is true: its examples run, its table is the whole surface, and types say the same."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.scripted_service import Service, shed

from tidegate.clients import SERVICE_CONFIG, AsyncClient, Client

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


async def run(code: str, service: Service) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code.replace("localhost:50051", service.address)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_the_examples_run_as_they_stand(service: Service) -> None:
    said = await asyncio.gather(*(run(code, service) for code in EXAMPLES))
    assert said == [
        "正面\n",
        "你好，世界 20\n",
        "正面\n你好，世界\n2 tokens\n",
        "你好，世界\n",
        "正面 味道不错，分量也足。\n负面 太差了，再也不会来了\n负面 颜色和图片差得太远。\n",
    ]


async def test_the_example_of_an_overload_shows_both_answers(service: Service) -> None:
    (code,) = (each for each in EXAMPLES if "Overloaded" in each)
    service.is_degrading = True
    assert await run(code, service) == "in short: 你好，世界 负面\n"
    service.refusals.append(shed(30_000))
    assert await run(code, service) == "come back in 30.0 s, because of QUEUE_FULL\n"


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_the_table_is_the_whole_surface(client: type) -> None:
    told = set(re.findall(r"`(\w+)\(", PAGE.split("## The whole surface")[1].split("\n\n")[1]))
    public = {name for name in vars(client) if not name.startswith("_")}
    assert told == public - {"close", "connect"}


def test_both_clients_have_the_same_methods() -> None:
    ours, others = (
        {name for name in vars(each) if not name.startswith("_")} for each in (Client, AsyncClient)
    )
    assert ours - others == {"connect"}
    assert others <= ours


def test_the_service_config_is_the_one_of_the_contract() -> None:
    contract = (ROOT / "docs" / "contract.md").read_text("utf-8")
    (config,) = re.findall(r"```json\n(.*?)```", contract, re.DOTALL)
    assert config == SERVICE_CONFIG


def test_a_users_code_type_checks_and_its_mistakes_do_not() -> None:
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed here; `tox -e types` has it")
    file = Path(__file__).with_name("users_code.py")
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
