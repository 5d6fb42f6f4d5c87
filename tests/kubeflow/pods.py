"""Pods as Kubernetes would be given them, and what they lack of its Pod Security Standard `restricted`.

Source: kubernetes.io/docs/concepts/security/pod-security-standards. Of what the standard allows in part (sysctls,
SELinux, AppArmor) nothing of ours says a word, so that any word is a finding. Three rules are ours: a root folder that
is read-only, no token where none is used, and limits.
"""

from collections.abc import Callable
from typing import Any, Final

Pod = dict[str, Any]

_VOLUMES: Final = frozenset(
    ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
)
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_UNSAID: Final = ("appArmorProfile", "procMount", "seLinuxOptions", "sysctls", "windowsOptions")

# A pod, its security context -> whether the rule is kept.
_OF_PODS: Final[dict[str, Callable[[Pod, Pod], bool]]] = {
    "no namespace of the host": lambda pod, _: not {"hostIPC", "hostNetwork", "hostPID"} & set(pod),
    "volumes": lambda pod, _: all(set(one) - {"name"} <= _VOLUMES for one in pod.get("volumes", ())),
    "no token": lambda pod, _: pod.get("automountServiceAccountToken") is False,
}
# A container, its security context on top of the pod's -> whether the rule is kept.
_OF_CONTAINERS: Final[dict[str, Callable[[Pod, Pod], bool]]] = {
    "not privileged": lambda _, said: not said.get("privileged"),
    "no escalation": lambda _, said: said.get("allowPrivilegeEscalation") is False,
    "no capabilities": lambda _, said: (
        "ALL" in said.get("capabilities", {}).get("drop", ())
        and set(said["capabilities"].get("add", ())) <= {"NET_BIND_SERVICE"}
    ),
    "not as root": lambda _, said: said.get("runAsNonRoot") is True and said.get("runAsUser") != 0,
    "seccomp": lambda _, said: said.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
    "nothing else is said": lambda _, said: not set(_UNSAID) & set(said),
    "no port of the host": lambda one, _: not any("hostPort" in port for port in one.get("ports", ())),
    "no host in a probe": lambda one, _: not any("'host'" in str(one.get(kind)) for kind in _PROBES),
    "read-only root": lambda _, said: said.get("readOnlyRootFilesystem") is True,
    # Kubernetes takes a limit for the request where none is named.
    "limits": lambda one, _: {"cpu", "memory"} <= set(one.get("resources", {}).get("limits", ())),
}


def lacks(pod: Pod) -> set[str]:
    """Returns the rules that a PodSpec, as JSON, does not keep."""
    of_pod = pod.get("securityContext", {})
    found = {rule for rule, is_kept in _OF_PODS.items() if not is_kept(pod, of_pod)}
    for one in [*pod["containers"], *pod.get("initContainers", ())]:
        said = of_pod | one.get("securityContext", {})
        found |= {rule for rule, is_kept in _OF_CONTAINERS.items() if not is_kept(one, said)}
    return found


def steps_pods(spec: Pod, platform: Pod) -> dict[str, Pod]:
    """Returns step -> PodSpec of both documents of a compiled pipeline, with what backends from 2.16 add by themselves.

    Source: github.com/kubeflow/pipelines, `backend/src/v2/compiler/argocompiler/security_context.go` and
    `backend/src/v2/driver/k8s.go`.
    """
    platforms = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    made = {}
    for label, executor in spec["deploymentSpec"]["executors"].items():
        given, wanted = executor["container"]["resources"], platforms[label]
        made[label.removeprefix("exec-")] = {
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [
                *({"name": one["volumeName"], "emptyDir": {}} for one in wanted.get("emptyDirMounts", ())),
                *({"name": one["constant"], "persistentVolumeClaim": {}} for one in wanted.get("pvcMount", ())),
            ],
            "containers": [
                {
                    "image": executor["container"]["image"],
                    "resources": {"limits": {"cpu": given["cpuLimit"], "memory": given["memoryLimit"]}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                    }
                    | wanted.get("securityContext", {}),
                }
            ],
        }
    return made
