"""A mesh in which everybody has to show who they are, by the real commands; and nothing of what is secret gets out.

Consul asks for tokens over HTTPS, the server for the balancer's certificate and token, the balancer for callers', and the
page calls it with one of its own. Then all goes wrong that this file can think of.
"""

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import pytest
from support.consul import GuardedConsulAgent, find_consul
from support.identities import Authority, Pair, line_of
from support.programs import Program, free_port, run, running, wait_until

from tidegate.identity.tokens import new_token

pytestmark = [pytest.mark.beside, pytest.mark.consul]

PAGE = (Path(__file__).parents[2] / "docs" / "identity.md").read_text("utf-8")
TEXT = "这句话谁也不许看见，除了模型"
PROMPT = "kept-from-all-eyes"


@dataclass
class Mesh:
    """What runs, what is secret, and all that was said."""

    folder: Path
    authority: Authority
    heard: list[str] = field(default_factory=list)
    programs: dict[str, Program] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    address: str = ""
    page: str = ""
    caller: tuple[str, ...] = ()

    def secret(self, what: str, value: str) -> str:
        self.secrets[what] = value
        return value

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def tidegate(self, *arguments: str, token: str, succeeds: bool = True) -> str:
        """Run a command as a caller with this token."""
        done = run(
            *("tidegate", *self.caller, *arguments),
            TIDEGATE_TOKEN=token,
            TIDEGATE_ADDRESS=self.address,
            TIDEGATE_LANG="en",
        )
        self.heard += [done.stdout, done.stderr]
        assert (done.returncode == 0) == succeeds, done.stderr
        return done.stdout + done.stderr

    def refused(self, program: str, *arguments: str) -> str:
        """Start a program that must not start; what it says."""
        done = run(program, *arguments)
        self.heard += [done.stdout, done.stderr]
        assert done.returncode in (1, 2), done.stderr
        return done.stderr

    def get(self, url: str, token: str | None, shows: Pair) -> tuple[int, str]:
        """Read a page by HTTPS."""
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        context.load_cert_chain(shows.cert, shows.key)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
        try:
            with opener.open(Request(url, headers=headers), timeout=10) as answer:
                status, text = answer.status, answer.read().decode()
        except HTTPError as error:
            status, text = error.code, error.read().decode()
        self.heard.append(text)
        return status, text


def rules_of_page() -> list[str]:
    """The two policies that the page gives for Consul: a server's, and a balancer's."""
    block = re.findall(r"```hcl\n(.*?)```", PAGE, re.S)[0]
    return [each for each in re.split(r"# a .*\n", block) if each.strip()]


def logged(program: Program, event: str) -> dict[str, str]:
    """The fields of a line of the log."""
    program.wait_for(f'"{event}"')
    lines = (line for line in program.output.splitlines() if line.startswith("{"))
    return next(line for line in map(json.loads, lines) if line["event"] == event)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("mesh")
    it = Mesh(folder, Authority(folder / "ca"))
    agent = GuardedConsulAgent(find_consul(), it.authority.issue("127.0.0.1"), folder)
    agent.start()
    try:
        with ExitStack() as stack:
            start(it, agent, stack)
            yield it
    finally:
        agent.stop()


def start(it: Mesh, agent: GuardedConsulAgent, stack: ExitStack) -> None:
    issue = it.authority.issue
    pairs = {
        "server": issue("spiffe://tidegate/server", "127.0.0.1"),
        "balancer": issue("spiffe://tidegate/balancer", "127.0.0.1"),
        "tickets": issue("spiffe://shop/tickets"),
        "page": issue("127.0.0.1", "localhost"),
    }
    for name, pair in pairs.items():
        it.secret(f"{name}'s key", pair.key.read_text().splitlines()[1])
    it.secret("Consul's management token", agent.management)
    tokens = [
        it.secret(f"{name}'s token for Consul", agent.token_for(rules))
        for name, rules in zip(("server", "balancer"), rules_of_page(), strict=True)
    ]
    for name in ("balancer", "tickets", "campaign", "ops", "wrong"):
        it.secret(f"{name}'s token", new_token())
    it.secret("a text", TEXT)
    it.secret("a system prompt", PROMPT)
    it.secret("a misplaced token", new_token())

    def consul(number: int) -> dict[str, str]:
        token = it.file(f"consul-{number}", tokens[number])
        return {"consul": agent.url, "consul_ca": str(it.authority.ca), "consul_token_file": token}

    def listens(name: str) -> dict[str, str]:
        pair = pairs[name]
        return {
            "tls_cert": str(pair.cert),
            "tls_key": str(pair.key),
            "tls_client_ca": str(it.authority.ca),
            "metrics_listen": "127.0.0.1:0",
            "log_format": "json",
        }

    fast = it.file("fast.toml", "step_s = 0.001\nprompt_token_s = 0\nrow_s = 0\nreply_tokens = 5\n")
    server = {
        "model": f"simulated:{fast}",
        "trusted_names": "spiffe://tidegate/balancer",
        "tokens": it.file("server-tokens", line_of("balancer", it.secrets["balancer's token"])),
        **consul(0),
        **listens("server"),
    }
    callers = "".join(
        line_of(name, it.secrets[f"{name}'s token"]) for name in ("tickets", "campaign", "ops")
    )
    balancer = {
        "tokens": it.file("tokens", callers),
        "instance_tls_ca": str(it.authority.ca),
        "instance_tls_cert": str(pairs["balancer"].cert),
        "instance_tls_key": str(pairs["balancer"].key),
        "instance_token_file": it.file("instance-token", it.secrets["balancer's token"]),
        **consul(1),
        **listens("balancer"),
    }
    tables = """
launcher = "process"
max_instances = 1
[callers.tickets]
certificates = ["spiffe://shop/tickets"]
[callers.campaign]
lanes = ["sentiment"]
system_prompt = false
largest_input_bytes = 200
[callers.ops]
fleet = "operate"
"""
    commands = {
        "server": ["tidegate-server", "--port", "0"],
        "balancer": ["tidegate-balancer", "--port", "0"],
    }
    for name, said in (("server", server), ("balancer", balancer)):
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items())
        file = it.file(f"{name}.toml", text + (tables if name == "balancer" else ""))
        arguments = [*commands[name], "--config", file]
        it.programs[name] = stack.enter_context(running(arguments, it.folder / f"{name}.log"))
    it.programs["server"].wait_for('"hot"')
    it.address = logged(it.programs["balancer"], "balancer listens")["address"]
    shown = pairs["tickets"]
    it.caller = ("--tls-ca", str(it.authority.ca), "--tls-cert", str(shown.cert))
    it.caller += ("--tls-key", str(shown.key))
    wait_until(lambda: '"after": "hot"' in it.programs["balancer"].output, "a hot instance", 30)
    port = free_port()
    it.page = f"https://127.0.0.1:{port}"
    page = pairs["page"]
    it.programs["page"] = stack.enter_context(
        running(
            [
                *("tidegate", *it.caller, "web", "--address", it.address, "--port", str(port)),
                *("--page-cert", str(page.cert), "--page-key", str(page.key)),
                *("--page-client-ca", str(it.authority.ca)),
            ],
            it.folder / "page.log",
            {"TIDEGATE_TOKEN": it.secrets["ops's token"]},
        )
    )
    it.programs["page"].wait_for("shows the balancer")


def token(mesh: Mesh, name: str) -> str:
    return mesh.secrets[f"{name}'s token"]


def tickets(mesh: Mesh) -> Pair:
    return Pair(Path(mesh.caller[3]), Path(mesh.caller[5]), mesh.authority.ca)


def test_a_call_passes_all_who_ask_who_it_is(mesh: Mesh) -> None:
    assert mesh.tidegate("classify", TEXT, token=token(mesh, "tickets"))
    assert mesh.tidegate("chat", TEXT, "--system-prompt", PROMPT, token=token(mesh, "tickets"))
    assert '"hot"' in mesh.tidegate("status", "--json", token=token(mesh, "ops"))


def test_a_balancer_leads_by_a_consul_that_asks_for_a_token(mesh: Mesh) -> None:
    mesh.programs["balancer"].wait_for("leads the fleet")


def test_the_page_is_met_by_its_certificate_and_calls_with_its_token(mesh: Mesh) -> None:
    status, text = mesh.get(f"{mesh.page}/", None, tickets(mesh))
    assert status == 200
    assert "<title>" in text
    with pytest.raises(OSError, match=r"(?i)ssl|reset|closed"):
        mesh.get(mesh.page, None, Authority(mesh.folder / "stranger").issue("x.test"))


@pytest.mark.parametrize("program", ["server", "balancer"])
def test_metrics_are_for_who_may_look(mesh: Mesh, program: str) -> None:
    url = f"https://{logged(mesh.programs[program], 'metrics served')['address']}/metrics"
    may, may_not = ("balancer", "wrong") if program == "server" else ("ops", "tickets")
    assert mesh.get(url, token(mesh, may), tickets(mesh))[0] == 200
    assert mesh.get(url, token(mesh, may_not), tickets(mesh))[0] == 401
    assert mesh.get(url, None, tickets(mesh))[0] == 401


def test_what_is_not_allowed_is_said_without_what_was_shown(mesh: Mesh) -> None:
    wrong, campaign = token(mesh, "wrong"), token(mesh, "campaign")
    assert "token is nobody's" in mesh.tidegate("classify", TEXT, token=wrong, succeeds=False)
    assert "callers.campaign.lanes" in mesh.tidegate("chat", TEXT, token=campaign, succeeds=False)
    prompting = ("classify", TEXT, "--system-prompt", PROMPT)
    assert "no system prompt" in mesh.tidegate(*prompting, token=campaign, succeeds=False)
    large = ("classify", TEXT * 10)
    assert "largest_input_bytes" in mesh.tidegate(*large, token=campaign, succeeds=False)
    drain = ("fleet", "drain", "tidegate-127.0.0.1-1")
    assert "'operate' is needed" in mesh.tidegate(*drain, token=campaign, succeeds=False)
    assert "no instance" in mesh.tidegate(*drain, token=token(mesh, "ops"), succeeds=False)


def test_settings_that_are_wrong_are_told_without_their_secrets(mesh: Mesh) -> None:
    lost = mesh.secrets["a misplaced token"]
    cases = [
        (["--tokens", mesh.file("t1", f"{lost}\n")], "line 1 holds no hash"),
        (["--tokens", mesh.file("t2", f"tickets {lost}\n")], "line 1 holds no hash"),
        (["--tls-cert", mesh.file("c", lost), "--tls-key", mesh.file("k", lost)], "can't be used"),
        (["--host", "0.0.0.0"], "nothing says who may call"),
    ]
    for arguments, said in cases:
        assert said in mesh.refused("tidegate-balancer", *arguments, "--port", "0")
    for arguments, said in cases[3:]:
        given = (*arguments, "--consul", "off", "--port", "0")
        assert said in mesh.refused("tidegate-server", *given)
    token_file = mesh.file("it", f"{lost} {lost}")
    own = ["--instances", "127.0.0.1:1", "--instance-token-file", token_file]
    assert "holds no token" in mesh.refused("tidegate-balancer", *own)
    both = ["--consul-token", lost, "--consul-token-file", token_file]
    assert "one of them is accepted" in mesh.refused("tidegate-balancer", *both)
    misspelt = mesh.file("m.toml", f'[callers.tickets]\ntoken = "{lost}"\n')
    assert "callers.tickets.token" in mesh.refused("tidegate-balancer", "--config", misspelt)


def test_nothing_secret_was_printed_told_or_measured(mesh: Mesh) -> None:
    # A file that goes wrong while it is read, with a token in it by mistake.
    tokens = mesh.folder / "tokens"
    good = tokens.read_text()
    tokens.write_text(f"{good}tickets {mesh.secrets['a misplaced token']}\n")
    mesh.tidegate("classify", TEXT, token=token(mesh, "tickets"))
    wait_until(
        lambda: (
            bool(mesh.tidegate("classify", TEXT, token=token(mesh, "tickets")))
            and "changed file not taken" in mesh.programs["balancer"].output
        ),
        "a complaint",
    )
    for program in mesh.programs.values():
        program.stop()
        mesh.heard.append(program.output)
    heard = "\n".join(mesh.heard)

    assert len(heard) > 10_000
    assert [what for what, secret in mesh.secrets.items() if secret in heard] == []
    assert [what for what, secret in mesh.secrets.items() if secret[:12] in heard] == []
