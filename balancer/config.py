"""The settings of the balancer: one frozen object from flags, environment and a TOML file.

The only module that reads the environment.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from tidegate.balancer.caller_settings import CallerSettings
from tidegate.balancer.core.callers import ANONYMOUS, DEFAULT
from tidegate.balancer.core.instance import Role
from tidegate.balancer.core.scale import RoleScale
from tidegate.balancer.launchers.birth import check_flags
from tidegate.balancer.launchers.settings import (
    DockerSettings,
    KubernetesSettings,
    SwarmSettings,
)
from tidegate.balancer.scale_settings import ScaleSettings
from tidegate.identity.entrance import PORT_NEEDS, Entrance, consul_problems, lacking
from tidegate.identity.exposure import is_loopback
from tidegate.identity.tokens import NAME
from tidegate.limits.settings import LimitSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PREFIX = "TIDEGATE_BALANCER_"
_PROGRAM = "tidegate-balancer"


_INSTANCE_NEEDS = (
    ("instance_tls_cert", "instance_tls_ca"),
    ("instance_tls_key", "instance_tls_cert"),
    ("instance_tls_name", "instance_tls_ca"),
)
_OF_THE_LAUNCHER = ("--port", "--role", "--launched-by", "--config")


class ProcessSettings(BaseModel):
    """Settings of the launcher `process`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: str = Field(
        "",
        description='Flags of tidegate-server for what is started, like "--model bundled". Role, port and '
        "who launched it are added, and where Consul is.",
    )
    state: Path | None = Field(
        None,
        description="Folder of records and logs, the same for all balancers of a fleet on a machine; "
        "~/.local/state/tidegate/SERVICE_NAME by default.",
    )
    outlive: bool = Field(
        False,
        description="Whether instances go on when the balancer that started them ends, for the next to "
        "adopt; otherwise they end with it.",
    )

    @field_validator("server")
    @classmethod
    def _are_flags(cls, value: str) -> str:
        return check_flags(value, _OF_THE_LAUNCHER)


Scales = dict[Literal["both", "sentiment", "chat"], ScaleSettings]


class BalancerSettings(BaseSettings):
    """Settings of `tidegate-balancer`, in the order in which `--help` tells them."""

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
    host: str = Field(
        "127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 for all."
    )
    port: int = Field(
        50051, ge=0, le=65535, description="Port to listen on; 0 picks a free one and logs it."
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that share the port, for more calls than one carries; each has its own "
        "queues, and its own metrics on a port of its own.",
    )
    tls_cert: Path | None = Field(
        None,
        description="PEM file of the certificate, and the chain behind it, with which callers and Prometheus are "
        "met. Read anew when it changes. Empty: no TLS.",
    )
    tls_key: Path | None = Field(None, description="PEM file of its key, without a password.")
    tls_client_ca: Path | None = Field(
        None,
        description="PEM file of those who may sign callers' certificates; with it nobody comes in without one "
        "(mTLS).",
    )
    tls_revoked: Path | None = Field(
        None,
        description="File of the SHA-256 fingerprints of callers' certificates that count no more, one a line.",
    )
    tokens: Path | None = Field(
        None,
        description="File of hashed tokens by which callers show who they are; `tidegate token new` writes it. "
        "Read anew when it changes.",
    )
    anonymous: bool = Field(
        False,
        description="Whether who shows neither token nor certificate may call. Without this it is so on loopback "
        "alone, and only as long as there are neither tokens nor tls_client_ca.",
    )
    callers: dict[str, CallerSettings] = Field(
        default_factory=dict,
        description="What a caller may do, by its name: a table [callers.NAME] of the file for each; [callers.default] "
        "for those without one, [callers.anonymous] for who shows nothing.",
    )
    instance_tls_ca: Path | None = Field(
        None,
        description="PEM file of those who may sign instances' certificates. With it instances are called by TLS; "
        "empty: in plaintext.",
    )
    instance_tls_cert: Path | None = Field(
        None, description="PEM file of the certificate that is shown to instances."
    )
    instance_tls_key: Path | None = Field(None, description="PEM file of its key.")
    instance_tls_name: str = Field(
        "",
        description="DNS name that every instance's certificate must have. Empty: the host or address under "
        "which it is called.",
    )
    instance_token_file: Path | None = Field(
        None, description="File of the token that is shown to instances."
    )
    consul: str = Field(
        "http://127.0.0.1:8500",
        description="Address of the Consul agent from which instances are learnt.",
    )
    consul_token: str = Field(
        "",
        repr=False,
        description="Access token for Consul; empty when it asks for none. Better in a file: consul_token_file.",
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
        "tidegate", pattern=r"^[A-Za-z0-9._-]+$", description="Name to look for in Consul."
    )
    instances: str = Field(
        "",
        description="Fixed list of instances, HOST:PORT,HOST:PORT, in place of Consul.",
    )
    sentiment_wait_s: float = Field(
        2.0, gt=0, le=3600, description="Seconds that a sentiment call may wait."
    )
    chat_wait_s: float = Field(
        30.0, gt=0, le=3600, description="Seconds that a chat call may wait."
    )
    sentiment_queue_limit: int = Field(
        1024, ge=0, le=100_000, description="Sentiment calls that may wait at once."
    )
    chat_queue_limit: int = Field(
        256, ge=0, le=100_000, description="Chat calls that may wait at once."
    )
    chat_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of slot-seconds (0 to 1) that chat keeps while sentiment calls wait.",
    )
    degrade_enter_s: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="Estimated wait of a chat, in seconds, above which chats that would wait are "
        "answered in short; above chat_wait_s it is never reached.",
    )
    degrade_leave_s: float = Field(
        5.0,
        ge=0,
        le=3600,
        description="Estimated wait of a chat, in seconds, at which full answers are back.",
    )
    short_share: float = Field(
        0.04,
        ge=0,
        le=1,
        description="Share of the slot-seconds of full answers that short ones may take; 1 is as many as "
        "instances have slots for.",
    )
    slow_start_s: float = Field(
        30.0,
        ge=0,
        le=3600,
        description="Seconds over which an instance that has just become hot grows from one call "
        "at a time to its slots; 0 gives it all at once.",
    )
    share_equal_calls: bool = Field(
        True,
        description="Whether sentiment calls that are equal to the byte, message and metadata, and "
        "under way at the same time are answered by one forward pass.",
    )
    answer_cache_s: float = Field(
        0.0,
        ge=0,
        le=86_400,
        description="Seconds for which the answer to a sentiment call is given again to equal "
        "ones; 0 remembers none. A changed profile is noticed by the first answer of its new version.",
    )
    drain_s: float = Field(
        30.0, ge=0, le=3600, description="Seconds that running calls get to end after SIGTERM."
    )
    metrics_listen: str = Field(
        "off",
        description='HOST:PORT where Prometheus reads the metrics, like 127.0.0.1:9464, or "off". '
        "With several workers the first one's; the others take the ports that follow.",
    )
    admin_listen: str = Field(
        "off",
        description='Port of loopback that tells what gRPC knows of its connections (channelz), like 127.0.0.1:9466, or "off". '
        "Needs the package of tidegate[admin]. With several workers the first one's; the others take the ports that follow.",
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
        description="Share of calls (0 to 1) that are traced; where a caller traces, its own decision counts.",
    )
    limits: LimitSettings = Field(
        default_factory=LimitSettings, description="What one who calls may take."
    )
    launcher: Literal["off", "process", "docker", "swarm", "kubernetes"] = Field(
        "off",
        description="What starts and stops instances as the load asks: off (nobody does), process "
        "(processes of this machine), docker (containers), swarm (services of a Docker Swarm) or kubernetes "
        "(replicas of Deployments).",
    )
    max_instances: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Instances of role both that may run, permanent ones included: scale.both with "
        "nothing but this maximum.",
    )
    scale: Scales = Field(
        default_factory=dict,
        description="What is started and stopped, by role: a table [scale.both] of the file for each.",
    )
    process: ProcessSettings = Field(
        default_factory=ProcessSettings, description="The launcher `process`."
    )
    docker: DockerSettings = Field(
        default_factory=DockerSettings, description="The launcher `docker`."
    )
    swarm: SwarmSettings = Field(default_factory=SwarmSettings, description="The launcher `swarm`.")
    kubernetes: KubernetesSettings = Field(
        default_factory=KubernetesSettings, description="The launcher `kubernetes`."
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="How log lines look on stderr: console or json."
    )

    @field_validator("consul")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        try:
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.path not in ("", "/") or parts.query:
            raise ValueError("is not http://HOST:PORT or https://HOST:PORT")
        return value.rstrip("/")

    @field_validator("instances")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        addresses = [address.strip() for address in value.split(",")] if value.strip() else []
        for address in addresses:
            host, _, port = address.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ValueError(f"has {address!r}, which is not HOST:PORT")
        if len(set(addresses)) < len(addresses):
            raise ValueError("names an instance twice")
        return ",".join(addresses)

    @field_validator("metrics_listen")
    @classmethod
    def _is_off_or_where_to_listen(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value != "off" and not (host and port.isdecimal() and int(port) < 65536):
            raise ValueError('is neither HOST:PORT nor "off"')
        return value

    @field_validator("admin_listen")
    @classmethod
    def _is_off_or_on_loopback(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value != "off" and not (is_loopback(host) and port.isdecimal() and int(port) < 65536):
            raise ValueError('is neither HOST:PORT with an address of loopback nor "off"')
        return value

    @field_validator("traces_to")
    @classmethod
    def _is_off_or_a_collector(cls, value: str) -> str:
        parts = urlsplit(value)
        if value != "off" and not (parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError('is neither http://HOST:PORT, https://HOST:PORT nor "off"')
        return value

    @field_validator("callers")
    @classmethod
    def _are_callers(cls, value: dict[str, CallerSettings]) -> dict[str, CallerSettings]:
        known: dict[str, str] = {}
        for name, caller in value.items():
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"has {name!r}; letters, digits, '.', '_' and '-' make a caller's name"
                )
            if name in (DEFAULT, ANONYMOUS) and caller.share != 1:
                raise ValueError(f"{name}.share: {caller.share:g} is not 1, which is for all alike")
            if name in (DEFAULT, ANONYMOUS) and caller.certificates:
                raise ValueError(
                    f"{name}.certificates: stands for nobody in particular; give it a name"
                )
            for each in caller.certificates:
                if known.setdefault(each, name) != name:
                    raise ValueError(
                        f"{name}.certificates: {each!r} is {known[each]}'s already; one of both is accepted"
                    )
        return value

    @model_validator(mode="after")
    def _secures_what_it_says(self) -> "BalancerSettings":
        for problem in chain(
            lacking(dict(self), (*PORT_NEEDS, *_INSTANCE_NEEDS)),
            consul_problems(self.consul, self.consul_ca),
        ):
            raise ValueError(problem)
        if self.consul_token and self.consul_token_file:
            raise ValueError(
                "consul_token and consul_token_file are both given; one of them is accepted"
            )
        if self.instance_token_file and not self.instance_tls_ca and not self._calls_loopback_alone:
            raise ValueError(
                f"instance_token_file: {self.instance_token_file} would travel unencrypted to instances; "
                "give instance_tls_ca as well"
            )
        if any(caller.certificates for caller in self.callers.values()) and not self.tls_client_ca:
            raise ValueError(
                "callers: certificates are given, and tls_client_ca, who signs them, is not"
            )
        return self

    @model_validator(mode="after")
    def _says_who_may_call(self) -> "BalancerSettings":
        for problem in self.entrance.problems():
            raise ValueError(problem)
        return self

    @property
    def entrance(self) -> Entrance:
        """How callers get in."""
        return Entrance(self.host, self.tokens, self.tls_client_ca, self.anonymous)

    @property
    def _calls_loopback_alone(self) -> bool:
        return bool(self.addresses) and all(
            is_loopback(address.rpartition(":")[0]) for address in self.addresses
        )

    @model_validator(mode="after")
    def _one_source_of_instances(self) -> "BalancerSettings":
        if self.instances and "consul" in self.model_fields_set:
            raise ValueError("instances and consul are both given; one of them is accepted")
        return self

    @model_validator(mode="after")
    def _every_worker_has_a_metrics_port(self) -> "BalancerSettings":
        metrics = self.metrics_address
        if metrics is not None and metrics[1] + self.workers - 1 > 65535:
            raise ValueError(
                f"metrics_listen: {self.metrics_listen} leaves no ports for {self.workers} workers; "
                f"at most port {65536 - self.workers} is accepted"
            )
        return self

    @model_validator(mode="after")
    def _leaves_below_where_it_enters(self) -> "BalancerSettings":
        if self.degrade_leave_s > self.degrade_enter_s:
            raise ValueError(
                f"degrade_leave_s: {self.degrade_leave_s:g} is above "
                f"degrade_enter_s {self.degrade_enter_s:g}; at most that is accepted"
            )
        return self

    @model_validator(mode="after")
    def _remembers_only_what_is_shared(self) -> "BalancerSettings":
        if self.answer_cache_s and not self.share_equal_calls:
            raise ValueError(
                f"answer_cache_s: {self.answer_cache_s:g} needs share_equal_calls; "
                "without that only 0 is accepted"
            )
        return self

    @model_validator(mode="after")
    def _launches_what_it_can_find(self) -> "BalancerSettings":
        if self.max_instances is not None and "both" in self.scale:
            raise ValueError("max_instances and scale.both are both given; one of them is accepted")
        if self.launcher == "off":
            if self.scales:
                given = "scale" if self.scale else "max_instances"
                raise ValueError(f"{given}: needs a launcher, and launcher is off")
        elif self.instances:
            raise ValueError(
                f"launcher: {self.launcher} needs Consul, where instances are found that it starts; "
                "with instances only off is accepted"
            )
        elif not self.scales:
            raise ValueError(
                f"launcher: {self.launcher} starts nothing without max_instances or a table [scale.both]"
            )
        return self

    @property
    def scales(self) -> dict[Role, RoleScale]:
        """The rules for each role of which instances are started and stopped."""
        scales = {Role(name): each.rule() for name, each in self.scale.items()}
        if self.max_instances is not None:
            scales[Role.BOTH] = ScaleSettings(maximum=self.max_instances).rule()
        return scales

    @property
    def addresses(self) -> tuple[str, ...]:
        """The fixed list of instances; empty when they are learnt from Consul."""
        return tuple(self.instances.split(",")) if self.instances else ()

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
    def restored(cls, dumped: Mapping[str, Any]) -> "BalancerSettings":
        """The settings that were dumped as JSON; validated then, so that no environment changes them now."""
        kinds: dict[str, Any] = {name: each.annotation for name, each in cls.model_fields.items()}
        fields = {
            name: TypeAdapter(kinds[name]).validate_python(value) for name, value in dumped.items()
        }
        return cls.model_construct(**fields)

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
        "sentiment_wait_s",
        "chat_wait_s",
        "sentiment_queue_limit",
        "chat_queue_limit",
        "chat_share",
        "degrade_enter_s",
        "degrade_leave_s",
        "short_share",
        "slow_start_s",
        "drain_s",
    }
)
"""Numbers that decisions are made by, which may be read anew at any time. All others are made into sockets, connections and
processes at the start."""


class SettingsError(Exception):
    """A setting is wrong. The message is one line: setting, value, what is accepted."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def read_settings(arguments: Sequence[str]) -> BalancerSettings:
    """Return the settings from flags, over the environment, over the file of `--config`.

    Raises SettingsError with one line; `--help` prints and exits.
    """
    _refuse_unknown_variables(os.environ)
    parser = _Parser(
        prog=_PROGRAM,
        description="One address in front of every instance: routes calls to hot instances, lets "
        "them wait in bounded lanes and sheds, with a hint, what can't be answered in time. "
        f"Every flag is also a variable ({_PREFIX}PORT) and a key of the TOML file (port); "
        "flags win over variables, variables over the file.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    flags: CliSettingsSource[argparse.ArgumentParser] = CliSettingsSource(
        BalancerSettings, root_parser=parser, cli_parse_args=list(arguments), cli_avoid_json=True
    )
    try:
        return BalancerSettings(_cli_settings_source=flags, **_read_file(arguments))
    except ValidationError as error:
        raise SettingsError(_line(error)) from None


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    for variable in sorted(environment):
        name = variable.upper().removeprefix(_PREFIX).partition("__")[0].lower()
        if variable.upper().startswith(_PREFIX) and name not in BalancerSettings.model_fields:
            known = ", ".join(_PREFIX + field.upper() for field in BalancerSettings.model_fields)
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
    known = [field for field in BalancerSettings.model_fields if field != "config"]
    for key in said:
        if key not in known:
            raise SettingsError(f"config: {path}: unknown key {key!r}; known: {', '.join(known)}")
    return said


def _line(error: ValidationError) -> str:
    """One line for the first mistake: the setting, its value, what is accepted."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"] if part != "[key]")
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if not name:
        return message
    if len(first["loc"]) > 1 and isinstance(first["input"], Mapping) and ": " in message:
        # A table as a whole, whose message names the key.
        return f"{name}.{message}"
    limits = first.get("ctx", {})
    words = {
        "greater_than": "is not above {gt}",
        "greater_than_equal": "is below {ge}",
        "less_than_equal": "is above {le}",
        "literal_error": "is not one of {expected}",
        "extra_forbidden": "is for a setting that isn't there; look at its spelling",
    }
    said = words.get(first["type"], message).format(**limits)
    field = BalancerSettings.model_fields.get(name)
    meaning = f" ({field.description})" if field is not None else ""
    # Words under a misspelt name may be a secret.
    is_misspelt = first["type"] == "extra_forbidden" and isinstance(first["input"], str)
    is_secret = is_misspelt or (field is not None and not field.repr)
    value = "(its value)" if is_secret else first["input"]
    return f"{name}: {value} {said}{meaning}"
