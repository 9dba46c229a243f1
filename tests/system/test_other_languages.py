"""The example for Node does what its page says, against a real socket."""

import asyncio
import json
import os
import re
from pathlib import Path

import pytest
from google.rpc import status_pb2
from support.scripted_service import Service, running_service, shed

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "other-languages.md").read_text("utf-8")
GOOGLE = Path(status_pb2.__file__).parents[2]
"""The same files as npm's google-proto-files has, a hundredth of its size."""


@pytest.fixture
def example(node_modules: Path, tmp_path: Path):
    """Runs the page's example against a service; gives its exit code, stdout and stderr."""
    (code,) = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "client.js").write_text(code, "utf-8")

    async def run(service: Service) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(
                "node",
                str(tmp_path / "client.js"),
                service.address,
                str(ROOT / "protos"),
                str(GOOGLE),
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "NODE_PATH": str(node_modules), "no_grpc_proxy": "127.0.0.1"},
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)
        return process.returncode, out.decode(), err.decode()

    return run


async def test_it_labels_a_text_and_streams_a_reply(example) -> None:
    async with running_service() as service:
        assert await example(service) == (0, "正面 0.98\n你好，世界\n", "")
        assert [seen.method for seen in service.seen] == ["Classify", "StreamReply"]
        assert all(seen.left_s for seen in service.seen)


async def test_it_marks_a_reply_in_short(example) -> None:
    async with running_service() as service:
        service.is_degrading = True
        code, out, _ = await example(service)
    assert (code, out) == (0, "正面 0.98\n你好，世界\n(in short, because of load)\n")


async def test_it_comes_back_as_told_and_shows_the_hint_of_a_refusal_that_stays(example) -> None:
    async with running_service() as service:
        service.refusals.append(shed(20))
        code, _, err = await example(service)
        assert (code, err) == (0, "")
        service.refusals.extend([shed(20), shed(20), shed(1500)])
        assert await example(service) == (1, "", "shed: QUEUE_FULL, come back in 1.5 s\n")


def test_the_service_config_of_the_protos_is_json() -> None:
    text = (ROOT / "protos" / "tidegate" / "v1" / "service_config.json").read_text("utf-8")
    assert json.loads(text)["methodConfig"][0]["retryPolicy"]["maxAttempts"] == 3
