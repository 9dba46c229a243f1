"""What the tables for engines accept, and what an instance is told."""

import subprocess
import sys

import pytest
from pydantic import BaseModel, ValidationError

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.birth import Birth
from tidegate.balancer.launchers.settings import (
    DockerSettings,
    KubernetesSettings,
    SwarmSettings,
)


@pytest.mark.parametrize(
    ("table", "given", "said"),
    [
        (DockerSettings, {"imgae": "x"}, "imgae"),
        (DockerSettings, {"image": ""}, "image"),
        (DockerSettings, {"weights": "models"}, "is not a whole path from / on"),
        (DockerSettings, {"cpus": ["0-3", "6-4"]}, "is not a list of CPUs"),
        (DockerSettings, {"cpus": ["all"]}, "is not a list of CPUs"),
        (DockerSettings, {"memory_megabytes": -1}, "memory_megabytes"),
        (DockerSettings, {"server": '--model "x'}, "can't be read"),
        (DockerSettings, {"server": "--model x --role=chat"}, "has --role=chat"),
        (SwarmSettings, {"cpus": "nan"}, "cpus"),
        (KubernetesSettings, {"deployment": "tidegate"}, "deployment"),
    ],
)
def test_a_wrong_table_is_refused_naming_the_field(
    table: type[BaseModel], given: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        table.model_validate(given)


def test_an_instance_is_told_its_role_its_fleet_and_where_consul_is() -> None:
    birth = Birth("tide", "http://consul:8500", "docker", "--model 'my model' --chat-slots 3")

    assert birth.arguments == ["--model", "my model", "--chat-slots", "3"]
    assert birth.variables(Role.CHAT) == {
        "TIDEGATE_SERVER_ROLE": "chat",
        "TIDEGATE_SERVER_SERVICE_NAME": "tide",
        "TIDEGATE_SERVER_CONSUL": "http://consul:8500",
        "TIDEGATE_SERVER_LAUNCHED_BY": "docker",
    }


@pytest.mark.parametrize(
    ("module", "absent", "extra"),
    [
        ("docker", "docker", "tidegate[docker]"),
        ("swarm", "docker", "tidegate[docker]"),
        ("kubernetes", "lightkube", "tidegate[kubernetes]"),
    ],
)
def test_a_launcher_whose_package_is_absent_names_the_extra(
    module: str, absent: str, extra: str
) -> None:
    code = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        "from tidegate.balancer.launchers.launcher import LaunchError\n"
        f"try:\n    import tidegate.balancer.launchers.{module}\n"
        "except LaunchError as error:\n    print(error)\n"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert f"pip install '{extra}'" in said.stdout
    assert said.stdout.count("\n") == 1
