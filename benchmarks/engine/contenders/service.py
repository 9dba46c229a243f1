"""Ours as a user runs it: a `tidegate-server` with its built-in profiles, called through gRPC."""

import atexit
import contextlib
import threading
import time
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest

from benchmarks.engine.server_process import ServerProcess
from tidegate.v1.chat_pb2 import JudgeAndReplyRequest, Sampling, StreamReplyRequest
from tidegate.v1.instance_pb2 import GetLoadRequest
from tidegate.v1.sentiment_pb2 import ClassifyRequest

# Between two health checks; a Consul agent asks once a second.
_EVERY_S = 0.02


class Contestant:
    """One running server, warmed up by a label and a reply."""

    def __init__(self, folder: str, threads: int, context_tokens: int) -> None:
        self._stack = contextlib.ExitStack()
        self._server = self._stack.enter_context(ServerProcess(folder, threads, context_tokens))
        # A contender ends when its input does; its server must not outlive it.
        atexit.register(self._stack.close)
        self._server.first_answer("好")
        self.judge_and_reply("好", 2)

    def judge_and_reply(self, text: str, write: int) -> int:
        """Judge and reply in one call; return the tokens that went through the model."""
        before = self._computed_tokens()
        for _ in self._server.chat.JudgeAndReply(
            JudgeAndReplyRequest(text=text, sampling=_greedy(write))
        ):
            pass
        return self._computed_tokens() - before

    def two_calls(self, text: str, write: int) -> int:
        """Judge, then reply, in two calls; return the tokens that went through the model."""
        # As long, and of the same characters, but not what a slot may remember from before.
        text = text[::-1]
        before = self._computed_tokens()
        self._server.sentiment.Classify(ClassifyRequest(text=text))
        for _ in self._server.chat.StreamReply(
            StreamReplyRequest(text=text, sampling=_greedy(write))
        ):
            pass
        return self._computed_tokens() - before

    def health_s(self, chats: list[str], texts: list[str], for_s: float) -> list[float]:
        """Return how long health checks take while chats and labels keep every slot busy."""
        over = threading.Event()
        load = [threading.Thread(target=self._chat, args=(text, over)) for text in chats]
        load += [threading.Thread(target=self._judge, args=(text, over)) for text in texts]
        for thread in load:
            thread.start()
        check: Any = self._server.channel.unary_unary(
            "/grpc.health.v1.Health/Check", HealthCheckRequest.SerializeToString
        )
        times = []
        ends_s = time.perf_counter() + for_s
        while (began_s := time.perf_counter()) < ends_s:
            check(HealthCheckRequest())
            times.append(time.perf_counter() - began_s)
            time.sleep(_EVERY_S)
        over.set()
        for thread in load:
            thread.join()
        return times

    def peak_bytes(self) -> int:
        """Return the most memory that the server has had resident."""
        return self._server.peak_bytes()

    def stop(self) -> None:
        """End the server."""
        self._stack.close()

    def _computed_tokens(self) -> int:
        return int(self._server.instance.GetLoad(GetLoadRequest()).computed_tokens)

    def _chat(self, text: str, over: threading.Event) -> None:
        while not over.is_set():
            call = self._server.chat.StreamReply(
                StreamReplyRequest(text=text, sampling=_greedy(64))
            )
            with contextlib.suppress(grpc.RpcError):
                for _ in call:
                    if over.is_set():
                        call.cancel()

    def _judge(self, text: str, over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(grpc.RpcError):
                self._server.sentiment.Classify(ClassifyRequest(text=text))


def _greedy(write: int) -> Sampling:
    return Sampling(temperature=0, repetition_penalty=1, max_tokens=write)
