"""Keeps instances as the pods of Kubernetes Deployments, one for each role, through their scale subresource.

The Deployments are written by people; nothing of them is changed but the number. Knows nothing about
why a number is wanted, nor whether an instance is hot.
"""

import asyncio

import structlog

from tidegate.balancer.core.instance import Role
from tidegate.balancer.launchers.launcher import LaunchError
from tidegate.balancer.launchers.settings import KubernetesSettings

try:
    import httpx2
    from lightkube import AsyncClient, KubeConfig
    from lightkube.resources.apps_v1 import Deployment
    from lightkube.types import PatchType
except ModuleNotFoundError:
    raise LaunchError(
        "kubernetes: the package is missing that speaks to a cluster: pip install 'tidegate[kubernetes]'"
    ) from None

_TIMEOUT_S = 10.0
_FORBIDDEN, _NOT_FOUND, _CONFLICT = 403, 404, 409

_log = structlog.get_logger("tidegate.balancer.launchers")


class KubernetesLauncher:
    """Scales Deployments; a `Launcher`. A role without a Deployment has 0 and can't get more."""

    def __init__(self, settings: KubernetesSettings) -> None:
        self._settings = settings
        self._client: AsyncClient | None = None

    async def open(self) -> None:
        """Find the cluster and ask for the numbers."""
        kept = {role.value: await self.count(role) for role in Role}
        _log.info("deployments taken over", **kept)

    async def count(self, role: Role) -> int:
        """Return how many replicas the Deployment of `role` is to have."""
        try:
            return await self._replicas(role) or 0
        except httpx2.HTTPError as error:
            raise self._explained(error, role) from error

    async def keep(self, role: Role, count: int) -> None:
        """Set the replicas of the Deployment of `role`; who else sets them is overruled."""
        try:
            was = await self._replicas(role)
            if was == count or (was is None and count == 0):
                return
            await self._set(role, count)
        except httpx2.HTTPError as error:
            raise self._explained(error, role) from error
        _log.info("deployment scaled", name=self._name(role), before=was, after=count)

    async def close(self) -> None:
        """Let go of the cluster; Deployments stay as they are."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _cluster(self) -> AsyncClient:
        if self._client is None:
            # Reads files, and loads the certificates of this machine.
            self._client = await asyncio.to_thread(self._connect)
        return self._client

    def _connect(self) -> AsyncClient:
        settings = self._settings
        try:
            config = (
                KubeConfig.from_file(settings.kubeconfig)
                if settings.kubeconfig
                else KubeConfig.from_env()
            )
            return AsyncClient(
                config.get(settings.context or None),
                namespace=settings.namespace or None,
                timeout=httpx2.Timeout(_TIMEOUT_S),
            )
        except Exception as error:
            # A file that is no kubeconfig fails in as many ways as there are to misspell one.
            words = " ".join(f"{type(error).__name__}: {error}".split())
            raise LaunchError(
                f"kubernetes: no usable configuration of a cluster ({words}); "
                "set kubernetes.kubeconfig, or run in a pod that has a service account"
            ) from error

    def _name(self, role: Role) -> str:
        return self._settings.deployment.format(role=role.value)

    async def _replicas(self, role: Role) -> int | None:
        """The number that is asked for; None without a Deployment."""
        cluster = await self._cluster()
        try:
            scale = await cluster.get(Deployment.Scale, self._name(role))
        except httpx2.HTTPStatusError as error:
            if error.response.status_code == _NOT_FOUND:
                return None
            raise
        # A 0 is left out by the API server.
        return (scale.spec.replicas if scale.spec is not None else None) or 0

    async def _set(self, role: Role, count: int) -> None:
        cluster, patch = await self._cluster(), {"spec": {"replicas": count}}
        name = self._name(role)
        try:
            await cluster.patch(Deployment.Scale, name, patch, patch_type=PatchType.MERGE)
        except httpx2.HTTPStatusError as error:
            if error.response.status_code != _CONFLICT:
                raise
            # Somebody wrote the Deployment at the same moment; the number is still ours to say.
            await cluster.patch(Deployment.Scale, name, patch, patch_type=PatchType.MERGE)

    def _explained(self, error: httpx2.HTTPError, role: Role) -> LaunchError:
        where = f"{self._name(role)} in namespace {self._client.namespace if self._client else '?'}"
        words = " ".join(str(error).split())
        if not isinstance(error, httpx2.HTTPStatusError):
            said = f"the API server doesn't answer ({words or type(error).__name__})"
            return LaunchError(f"kubernetes: {said}")
        match error.response.status_code:
            case code if code == _NOT_FOUND:
                why = f"no Deployment {where}; deploy/kubernetes has one for each role"
            case code if code == _FORBIDDEN:
                why = (
                    f"get and patch of deployments/scale are not allowed for {where}; "
                    f"deploy/kubernetes/access.yaml allows them ({words})"
                )
            case code:
                why = f"{where}: status {code} ({words})"
        return LaunchError(f"kubernetes: {why}")
