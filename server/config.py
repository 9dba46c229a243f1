"""The settings of the server: one frozen object from flags, environment and a TOML file.

The only module that reads the environment.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NoReturn

from pydantic import DirectoryPath, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from tidegate.identity.entrance import PORT_NEEDS, Entrance, consul_problems, lacking
from tidegate.identity.exposure import is_loopback
from tidegate.limits.settings import InstanceLimitSettings
from tidegate.server.affinity import parse_cpus

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PREFIX = "TIDEGATE_SERVER_"
_PROGRAM = "tidegate-server"
_BYTES_PER_CHARACTER = 4
"""UTF-8's most."""


class ServerSettings(BaseSettings):
    """Settings of `tidegate-server`, in the order in which `--help` tells them."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        cli_kebab_case=True,
        allow_inf_nan=False,
    )

    config: Path | None = Field(
        None, description="TOML file with any of these settings, by their names with underscores."
    )
    model: str = Field(
        "Qwen/Qwen1.5-0.5B-Chat",
        min_length=1,
        description='What to load: a hub id, a local folder, a GGUF file, or "bundled". "simulated" '
        'and "simulated:FILE.toml" load nothing and only take the time, for load tests.',
    )
    host: str = Field(
        "127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 for all."
    )
    port: int = Field(
        50061, ge=0, le=65535, description="Port to listen on; 0 picks a free one and logs it."
    )
    advertise_host: str = Field(
        "",
        description="Host under which balancers and Consul reach this server. "
        "Empty: the host, or the address of this machine when that is a wildcard.",
    )
    tls_cert: Path | None = Field(
        None,
        description="PEM file of the certificate, and the chain behind it, with which balancers and Prometheus are "
        "met. Read anew when it changes. Empty: no TLS.",
    )
    tls_key: Path | None = Field(None, description="PEM file of its key, without a password.")
    tls_client_ca: Path | None = Field(
        None,
        description="PEM file of those who may sign balancers' certificates; with it nobody comes in without one "
        "(mTLS).",
    )
    tls_revoked: Path | None = Field(
        None,
        description="File of the SHA-256 fingerprints of certificates that count no more, one a line.",
    )
    trusted_names: str = Field(
        "",
        description="Names in the certificates of trusted balancers, NAME,NAME, DNS names or URIs; others are turned "
        "away. Empty: any certificate that tls_client_ca has signed.",
    )
    tokens: Path | None = Field(
        None,
        description="File of hashed tokens of the balancers that may call; `tidegate token new` writes it. Read anew "
        "when it changes.",
    )
    anonymous: bool = Field(
        False,
        description="Whether who shows neither token nor certificate may call. Without this it is so on loopback "
        "alone, and only as long as there are neither tokens nor tls_client_ca.",
    )
    role: Literal["both", "sentiment", "chat"] = Field(
        "both", description="Which calls to take: both, sentiment or chat (same weights)."
    )
    sentiment_slots: int = Field(
        16, ge=1, le=1024, description="Sentiment calls taken at once; one more is refused."
    )
    chat_slots: int = Field(
        8, ge=1, le=256, description="Chat calls taken at once; each has its own part of the cache."
    )
    degraded_slots: int = Field(
        2,
        ge=0,
        le=1024,
        description="Chats answered in short at once (a label and one sentence), beside the chat "
        "slots; 0 takes none.",
    )
    profiles: DirectoryPath | None = Field(
        None,
        description="Folder of profiles (NAME.toml) on top of the built-in ones; "
        "changes count from the next call on.",
    )
    default_sentiment_profile: str = Field(
        "sentiment", min_length=1, description="Profile of a Sentiment call that names none."
    )
    default_chat_profile: str = Field(
        "chat", min_length=1, description="Profile of a Chat call that names none."
    )
    default_review_profile: str = Field(
        "review", min_length=1, description="Profile of a JudgeAndReply call that names none."
    )
    cache_dir: Path | None = Field(
        None,
        description="Folder for downloaded and converted weights; the user's cache by default.",
    )
    threads: int = Field(
        0, ge=0, le=1024, description="Threads that compute; 0 uses all cores of the process."
    )
    cpus: str = Field(
        "",
        description="CPUs that the process runs on, like 0-3,6; empty: all that it may use.",
    )
    lock_memory: bool = Field(
        False,
        description="Keep the model in memory, never in swap; needs a limit that allows it.",
    )
    device: Literal["cpu", "mps"] = Field(
        "cpu",
        description="Where to compute: cpu, or mps (Apple's GPU; what it lacks falls back to the "
        "CPU).",
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Type of the weights and the cache; bfloat16 takes half the memory, and is "
        "slow on a CPU that doesn't compute in it.",
    )
    context_tokens: int = Field(
        2048, ge=64, le=131_072, description="Tokens that a slot holds: prompt and reply together."
    )
    cache_megabytes: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="Memory for the keys and values of all slots, shared equally; a slot then "
        "holds as many tokens as fit, at most context_tokens. 0 is as much as they need.",
    )
    prefix_megabytes: int = Field(
        512,
        ge=0,
        le=1_000_000,
        description="Memory for the kept beginnings of prompts: the fixed parts of profiles, least "
        "recently used first to go; 0 keeps none.",
    )
    step_ms: int = Field(
        150,
        ge=10,
        le=60_000,
        description="How long a step of the model may last: long prompts are read in parts, so "
        "that a label waits no longer than this behind them.",
    )
    consul: str = Field(
        "http://127.0.0.1:8500", description='Address of the Consul agent, or "off".'
    )
    consul_token_file: Path | None = Field(
        None, description="File of the access token for Consul; read anew when it changes."
    )
    consul_ca: Path | None = Field(
        None,
        description="PEM file of those who may sign Consul's certificate, for an https address. Empty: those whom "
        "the system trusts.",
    )
    service_name: str = Field(
        "tidegate", min_length=1, description="Name under which to register in Consul."
    )
    launched_by: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._@-]*$",
        description="Who starts and stops this server, told to balancers by a tag in Consul; launchers "
        "set it. Empty: it stays up until somebody stops it.",
    )
    max_text_characters: int = Field(
        32_768, ge=1, le=1_000_000, description="Characters of text that a call may bring."
    )
    drain_s: float = Field(
        30.0, ge=0, le=3600, description="Seconds that running calls get to end after SIGTERM."
    )
    watchdog_s: float = Field(
        30.0,
        ge=0,
        le=3600,
        description="Seconds without a step, with work waiting, after which the process ends with "
        "code 70 to be started again; 0 never.",
    )
    metrics_listen: str = Field(
        "off",
        description='HOST:PORT where Prometheus reads the metrics, like 127.0.0.1:9465, or "off".',
    )
    log_text_characters: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Characters of each call's text that the log shows, for whoever looks for a fault; 0 shows "
        "none.",
    )
    admin_listen: str = Field(
        "off",
        description='Port of loopback that tells what gRPC knows of its connections (channelz), like 127.0.0.1:9467, or "off". '
        "Needs the package of tidegate[admin].",
    )
    traces_to: str = Field(
        "off",
        description='OpenTelemetry collector that takes traces by OTLP over gRPC, like http://127.0.0.1:4317, or "off". '
        "Needs the packages of tidegate[tracing].",
    )
    traces_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of calls (0 to 1) that are traced; where a caller or a balancer traces, its own decision counts.",
    )
    limits: InstanceLimitSettings = Field(
        default_factory=InstanceLimitSettings, description="What one who calls may take."
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="How log lines look on stderr: console or json."
    )

    @field_validator("consul")
    @classmethod
    def _is_off_or_an_address(cls, value: str) -> str:
        if value != "off" and not value.startswith(("http://", "https://")):
            raise ValueError('http://HOST:PORT, https://HOST:PORT and "off" are accepted')
        return value

    @field_validator("metrics_listen")
    @classmethod
    def _is_off_or_where_to_listen(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value != "off" and not (host and port.isdecimal() and int(port) < 65536):
            raise ValueError('HOST:PORT and "off" are accepted')
        return value

    @field_validator("admin_listen")
    @classmethod
    def _is_off_or_on_loopback(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value != "off" and not (is_loopback(host) and port.isdecimal() and int(port) < 65536):
            raise ValueError('HOST:PORT with an address of loopback and "off" are accepted')
        return value

    @field_validator("traces_to")
    @classmethod
    def _is_off_or_a_collector(cls, value: str) -> str:
        if value != "off" and not value.startswith(("http://", "https://")):
            raise ValueError('http://HOST:PORT, https://HOST:PORT and "off" are accepted')
        return value

    @field_validator("cpus")
    @classmethod
    def _is_a_list_of_cpus(cls, value: str) -> str:
        if value:
            parse_cpus(value)
        return value

    @field_validator("watchdog_s")
    @classmethod
    def _is_off_or_longer_than_steps(cls, value: float) -> float:
        if 0 < value < 1:
            raise ValueError(
                "0 and 1 to 3600 are accepted; a step may take a good part of a second"
            )
        return value

    @model_validator(mode="after")
    def _secures_what_it_says(self) -> "ServerSettings":
        for problem in chain(
            lacking(dict(self), (*PORT_NEEDS, ("trusted_names", "tls_client_ca"))),
            consul_problems(self.consul, self.consul_ca),
            self.entrance.problems(),
        ):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _takes_what_it_accepts(self) -> "ServerSettings":
        longest = self.max_text_characters * _BYTES_PER_CHARACTER
        if longest > self.limits.message_bytes:
            raise ValueError(
                f"max_text_characters: {self.max_text_characters} characters may have {longest} bytes, and limits.message_bytes is "
                f"{self.limits.message_bytes}; raise it, here and for the balancers"
            )
        return self

    @property
    def entrance(self) -> Entrance:
        """How balancers get in."""
        return Entrance(self.host, self.tokens, self.tls_client_ca, self.anonymous)

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port for the metrics; None when they are off."""
        if self.metrics_listen == "off":
            return None
        host, _, port = self.metrics_listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def admin_address(self) -> tuple[str, int] | None:
        """Host, as gRPC takes it, and port for channelz; None when it is off."""
        if self.admin_listen == "off":
            return None
        host, _, port = self.admin_listen.rpartition(":")
        return host, int(port)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose values come as arguments."""
        return env_settings, init_settings


AT_ONCE = frozenset(
    {
        "default_sentiment_profile",
        "default_chat_profile",
        "default_review_profile",
        "max_text_characters",
        "drain_s",
    }
)
"""What calls are checked by, which may be read anew at any time. All others are made into memory, threads and sockets at the start."""


class SettingsError(Exception):
    """A setting is wrong. The message is one line: setting, value, what is accepted."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def read_settings(arguments: Sequence[str]) -> ServerSettings:
    """Return the settings from flags, over the environment, over the file of `--config`.

    Raises SettingsError with one line; `--help` prints and exits.
    """
    _refuse_unknown_variables()
    parser = _Parser(
        prog=_PROGRAM,
        description="One language model behind gRPC: a label or a reply for each call. "
        f"Every flag is also a variable ({_PREFIX}PORT) and a key of the TOML file (port); "
        "flags win over variables, variables over the file.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    flags: CliSettingsSource[argparse.ArgumentParser] = CliSettingsSource(
        ServerSettings, root_parser=parser, cli_parse_args=list(arguments), cli_avoid_json=True
    )
    try:
        return ServerSettings(_cli_settings_source=flags, **_read_file(arguments))
    except ValidationError as error:
        raise SettingsError(_first_line(error)) from None


def _refuse_unknown_variables() -> None:
    for variable in sorted(os.environ):
        name = variable.upper().removeprefix(_PREFIX).partition("__")[0]
        if variable.upper().startswith(_PREFIX) and name.lower() not in ServerSettings.model_fields:
            known = ", ".join(f"{_PREFIX}{field.upper()}" for field in ServerSettings.model_fields)
            raise SettingsError(f"unknown variable {variable}; known are {known}")


def _read_file(arguments: Sequence[str]) -> dict[str, Any]:
    finder = _Parser(add_help=False, allow_abbrev=False)
    finder.add_argument("--config", default=os.environ.get(f"{_PREFIX}CONFIG"))
    path: str | None = finder.parse_known_args(list(arguments))[0].config
    if path is None:
        return {}
    try:
        said = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"config: {path}: {error}") from None
    known = [field for field in ServerSettings.model_fields if field != "config"]
    for key in said:
        if key not in known:
            raise SettingsError(
                f"config: {path}: unknown key {key!r}; known are {', '.join(known)}"
            )
    return said


def _first_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if not name:
        return message
    return (
        f"{name}: {first['input']!r} {message}"
        if "should" in message
        else (f"{name}: {first['input']!r}: {message}")
    )
