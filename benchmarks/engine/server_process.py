"""A real `tidegate-server` as a child process, and a channel to it."""

import os
import re
import subprocess
import sys
import tempfile
import time
from types import TracebackType

import grpc

from tidegate.clients.local.ports import free_ports
from tidegate.v1.chat_pb2_grpc import ChatStub
from tidegate.v1.instance_pb2_grpc import InstanceStub
from tidegate.v1.sentiment_pb2 import ClassifyRequest, ClassifyResponse
from tidegate.v1.sentiment_pb2_grpc import SentimentStub

# gRPC waits a second after a refused connection by default: that would be measured.
_RECONNECT = [(f"grpc.{which}_reconnect_backoff_ms", 20) for which in ("initial", "min", "max")]
_PATIENCE_S = 120.0


class ServerProcess:
    """A server of one model, for the length of a `with` block; sentiment and chat, no Consul."""

    def __init__(self, folder: str, threads: int, context_tokens: int) -> None:
        self._folder = folder
        self._options = ["--threads", str(threads), "--context-tokens", str(context_tokens)]

    def __enter__(self) -> "ServerProcess":
        (port,) = free_ports(1)
        self._log = tempfile.TemporaryFile()
        self.began_s = time.perf_counter()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tidegate.server"),
                *("--model", self._folder, "--port", str(port), "--consul", "off"),
                *self._options,
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_RECONNECT)
        self.sentiment = SentimentStub(self.channel)
        self.chat = ChatStub(self.channel)
        self.instance = InstanceStub(self.channel)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.channel.close()
        self._process.kill()
        self._process.wait()
        self._log.close()

    def first_answer(self, text: str) -> ClassifyResponse:
        """Return the label of `text` as soon as the server gives one."""
        while (answer := self._answer(text)) is None:
            time.sleep(0.005)
        return answer

    def _answer(self, text: str) -> ClassifyResponse | None:
        try:
            return self.sentiment.Classify(ClassifyRequest(text=text), timeout=_PATIENCE_S)
        except grpc.RpcError as error:
            is_late = time.perf_counter() - self.began_s > _PATIENCE_S
            if self._process.poll() is None and not is_late:
                return None
            self._log.seek(0)
            said = self._log.read().decode("utf-8", "replace")
            raise RuntimeError(f"the server gave no answer: {said}") from error

    def peak_bytes(self) -> int:
        """Return the most memory that the server has had resident. Linux only."""
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as status:
            return int(re.findall(r"VmHWM:\s+(\d+)", status.read())[0]) * 1024
