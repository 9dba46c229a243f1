"""Deployments scaled through an API server that knows nothing but their scale subresource."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.cluster import Cluster

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.kubernetes import KubernetesLauncher
from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.launchers.settings import KubernetesSettings


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        running.replicas = {"tidegate-both": 1, "tidegate-chat": 0}
        yield running


@pytest.fixture
async def launcher(cluster: Cluster, tmp_path: Path) -> AsyncIterator[KubernetesLauncher]:
    config = cluster.write_kubeconfig(tmp_path / "config")
    it = KubernetesLauncher(KubernetesSettings(kubeconfig=str(config)))
    await it.open()
    yield it
    await it.close()


async def test_a_deployment_is_taken_over_as_it_is_and_set_to_what_is_wanted(cluster, launcher):
    assert await launcher.count(Role.BOTH) == 1

    for count in (3, 0, 2):
        await launcher.keep(Role.BOTH, count)
        assert await launcher.count(Role.BOTH) == count == cluster.replicas["tidegate-both"]
    assert cluster.replicas["tidegate-chat"] == 0


async def test_what_is_so_already_is_not_written_again(cluster, launcher):
    await launcher.keep(Role.BOTH, 1)
    await launcher.keep(Role.CHAT, 0)
    await launcher.keep(Role.SENTIMENT, 0)

    assert {verb for verb, _ in cluster.asked} == {"get"}


async def test_a_role_without_a_deployment_has_none_and_gets_none(launcher):
    assert await launcher.count(Role.SENTIMENT) == 0

    with pytest.raises(LaunchError, match="no Deployment tidegate-sentiment in namespace fleet"):
        await launcher.keep(Role.SENTIMENT, 1)


async def test_who_may_not_scale_is_told_what_allows_it(cluster, launcher):
    cluster.forbidden.add(("patch", "tidegate-both"))

    with pytest.raises(LaunchError, match=r"not allowed .*access\.yaml .*cannot patch") as caught:
        await launcher.keep(Role.BOTH, 2)
    assert "\n" not in str(caught.value)


async def test_a_conflict_is_tried_once_more_and_then_told(cluster, launcher):
    cluster.conflicts = 1
    await launcher.keep(Role.BOTH, 2)
    assert cluster.replicas["tidegate-both"] == 2

    cluster.conflicts = 2
    with pytest.raises(LaunchError, match=r"status 409 \(Operation cannot be fulfilled"):
        await launcher.keep(Role.BOTH, 3)


async def test_a_token_that_is_no_longer_good_is_told(cluster, launcher):
    cluster.token = "another"

    with pytest.raises(LaunchError, match=r"status 401 \(Unauthorized\)"):
        await launcher.count(Role.BOTH)


async def test_an_api_server_that_is_away_is_told_and_found_again(cluster, launcher):
    cluster.stop()

    with pytest.raises(LaunchError, match="the API server doesn't answer") as caught:
        await launcher.keep(Role.BOTH, 2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "ConfigError: Configuration file"),
        ("[]", "no usable configuration"),
        ("clusters: {", "no usable configuration"),
        ("{clusters: [], contexts: [], users: []}", "No current context"),
    ],
)
async def test_a_configuration_that_is_none_is_said_in_one_line(tmp_path, text, said):
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)
    launcher = KubernetesLauncher(KubernetesSettings(kubeconfig=str(file)))

    with pytest.raises(LaunchError, match=said) as caught:
        await launcher.open()
    assert "\n" not in str(caught.value)
    assert "kubernetes.kubeconfig" in str(caught.value)
