"""The retry policy for those who call with generated stubs and not with these clients.

It lies beside the protos, for every language.
"""

from __future__ import annotations

from importlib.resources import files

SERVICE_CONFIG = (files("tidegate.v1") / "service_config.json").read_text("utf-8")
"""JSON for the channel option grpc.service_config: sheds are retried as they are told, three attempts in all."""
