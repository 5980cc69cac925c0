# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""A stage for audits: profiles and pods that no other test has, the kernel's own count, and a look at what is left."""

import hashlib
import json
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from azext_seccomp.cluster.interface import CONFIG_MAPS, NAMESPACES, PODS, JsonObject, Resource
from azext_seccomp.cluster.kube import OfficialClient
from azext_seccomp.cluster.namespace import NAMESPACE, selector
from azext_seccomp.profile import codec
from azext_seccomp.profile.syscalls import name_of
from azext_seccomp.profile.variants import to_audit
from tests.stand.az import AzResult, InProcessAz
from tests.stand.cluster import Stand
from tests.stand.cluster.audit_stream import KernelRecord

TOOLS = "localhost/aks-stand/tools:1"
IMAGES = (
    "--ig-image", "localhost/aks-stand/ig:1",
    "--gadget-image", "localhost/aks-stand/gadget/audit_seccomp:1",
    "--installer-image", TOOLS,
)  # fmt: skip
CLUSTER = ("-g", "rg1", "-n", "plain")
SECONDS = 90.0
_AUDITS = "/var/lib/kubelet/seccomp/aks-seccomp/audit"

# The calls that Microsoft's article on custom profiles denies ("Secure container access with seccomp"), with LOG.
DENIED = (
    "acct", "add_key", "bpf", "clock_adjtime", "clone", "clone3", "create_module", "delete_module", "finit_module",
    "init_module", "kexec_load", "keyctl", "mkdir", "mount", "move_pages", "name_to_handle_at", "perf_event_open",
    "personality", "pivot_root", "ptrace", "reboot", "request_key", "setns", "swapon", "umount2", "unshare",
)  # fmt: skip


def profile_text(action: str = "SCMP_ACT_LOG", names: Sequence[str] = DENIED) -> str:
    """A profile whose audit variant no other test has."""
    nobody = {"index": 0, "value": secrets.randbits(60), "op": "SCMP_CMP_EQ"}
    rules = [
        {"names": list(names), "action": action},
        {"names": ["kcmp"], "action": action, "args": [nobody]},
    ]
    return json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules})


def pod(name: str, *words: str, node: str = "", namespace: str = "", user: int = 0, **container: Any) -> JsonObject:
    """A pod that makes the calls that ``words`` say (tests/stand/images/syscaller.c) and ends."""
    app = {"name": "app", "image": TOOLS, "imagePullPolicy": "IfNotPresent", "command": ["syscaller", *words]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "spec": {
            **({"nodeName": node} if node else {}),
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            **({"securityContext": {"runAsUser": user}} if user else {}),
            "containers": [{**app, **container}],
        },
    }


def counted(records: Sequence[KernelRecord]) -> Counter[tuple[str, str]]:
    """What the kernel recorded, by process name and syscall; runc's own calls left out."""
    return Counter(
        (one.comm, name_of(one.syscall, "amd64") or str(one.syscall))
        for one in records
        if not one.comm.startswith("runc:[")
    )


def found(report: Mapping[str, Any], pod_name: str) -> Counter[tuple[str, str]]:
    """The same of a report, for one pod."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in report["findings"]:
        if one["pod"] == pod_name and one["class"] != "startup":
            counts[one["comm"], one["syscall"]] += one["count"]
    return counts


def wait_for(done: Callable[[], Any], seconds: float = SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := done()):
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.1)
    return result


@contextmanager
def meanwhile(action: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread; its error is raised at the end."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(action)
        yield
        done.result()


class Scene:
    """One test's namespace, files and az."""

    def __init__(self, kube: OfficialClient, stand: Stand, az: InProcessAz, directory: Path) -> None:
        self.kube = kube
        self.stand = stand
        self.az = az
        self.directory = directory
        self.namespace = f"e2e-{secrets.token_hex(5)}"
        self.nodes = stand.node_names
        self.profile = self.write("profile.json", profile_text())
        self.sessions: set[str] = set()
        self._stop = threading.Event()
        self._notes = threading.Thread(target=self._note_sessions, daemon=True)
        self._notes.start()

    def write(self, name: str, text: str) -> str:
        """A file; returns its path."""
        (self.directory / name).write_text(text)
        return str(self.directory / name)

    def manifest(self, *objects: JsonObject) -> str:
        """A manifest with this test's namespace and the objects in it; returns its path."""
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        return self.write("manifest.yaml", yaml.safe_dump_all([*objects, space]))

    def argv(self, *more: str, manifest: str = "", duration: str = "60s") -> list[str]:
        """The command line of an audit."""
        applied = ["--manifest", manifest, "--namespace", self.namespace] if manifest else []
        return [
            "aks", "seccomp", "audit", *CLUSTER, *IMAGES, "--profile", self.profile, "--duration", duration,
            *applied, *more,
        ]  # fmt: skip

    def audit(self, *more: str, manifest: str = "", duration: str = "60s") -> AzResult:
        """Run an audit in this process."""
        return self.az(*self.argv(*more, manifest=manifest, duration=duration))

    def cleanup(self, *more: str) -> AzResult:
        """Run a cleanup in this process."""
        return self.az("aks", "seccomp", "cleanup", *CLUSTER, *more)

    def make_namespace(self) -> None:
        """The namespace, where no manifest makes it."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self.kube.create(NAMESPACES.path(), body)
        accounts = f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        wait_for(lambda: any(one["metadata"]["name"] == "default" for one in self.kube.list(accounts)))

    def workload_argv(self, *references: str, profile: str = "RuntimeDefault", duration: str = "60s") -> list[str]:
        """The command line of an audit of workloads in this test's namespace."""
        named = [word for reference in references for word in ("--workload", reference)]
        return [
            "aks", "seccomp", "audit", *CLUSTER, *IMAGES, "--profile", profile, "--duration", duration,
            *named, "--namespace", self.namespace, "--yes",
        ]  # fmt: skip

    @property
    def path(self) -> str:
        """The value for ``localhostProfile`` of an audit of this test's profile that only watches."""
        return f"aks-seccomp/audit/{self._digest}.json"

    @property
    def _digest(self) -> str:
        audited = codec.encode(to_audit(codec.decode(Path(self.profile).read_bytes(), "profile")).profile)
        return hashlib.sha256(audited).hexdigest()[:16]

    def own(self, role: str) -> list[JsonObject]:
        """Pods of this test's sessions with this role."""
        return [one for one in self._labelled(PODS) if one["metadata"]["labels"]["aks-seccomp/role"] == role]

    def left(self) -> list[str]:
        """What there is of this test."""
        names = [
            f"{kind.kind} {one['metadata']['name']}" for kind in (PODS, CONFIG_MAPS) for one in self._labelled(kind)
        ]
        if any(one["metadata"]["name"] == self.namespace for one in self.kube.list(NAMESPACES.path())):
            names.append(f"namespace {self.namespace}")
        return names + self.files()

    def files(self) -> list[str]:
        """The nodes that have a file of this test's sessions, or of its profile."""
        where = [f"{_AUDITS}/{name}" for name in (f"{self._digest}.json", *self.sessions)]
        numbers = range(1, len(self.nodes) + 1)
        return [
            f"file on {number}"
            for number in numbers
            if self.stand.node_exec(number, "sh", "-c", f"ls -d {' '.join(where)} | grep .", check=False)[0] == 0
        ]

    def forget(self) -> None:
        """End what a failed test left."""
        self._stop.set()
        self._notes.join()
        self.kube.delete(NAMESPACES.path(name=self.namespace))

    def _labelled(self, kind: Resource) -> list[JsonObject]:
        found = self.kube.list(kind.path(NAMESPACE), labels=selector())
        return [one for one in found if one["metadata"]["labels"]["aks-seccomp/session"] in self.sessions]

    def _note_sessions(self) -> None:
        """In a thread: which sessions are this test's, by the profile or the namespace that their journals name."""
        journals = CONFIG_MAPS.path(NAMESPACE)
        for event in self.kube.watch(journals, labels=selector(role="journal"), stop=self._stop):
            journal = "" if event.type == "DELETED" else event.object["data"]["journal.json"]
            if self._digest in journal or self.namespace in journal:
                self.sessions.add(event.object["metadata"]["labels"]["aks-seccomp/session"])


class Running:
    """An az program under way. What it writes goes to files, so that it never waits for a reader."""

    def __init__(self, process: "subprocess.Popen[bytes]", out: Path, err: Path) -> None:
        self.process = process
        self._out = out
        self._err = err

    @property
    def err(self) -> str:
        return self._err.read_text()

    def wait_for_words(self, words: str) -> str:
        """Wait until standard error has the words; all of it so far."""
        wait_for(lambda: words in self.err or self.process.poll() is not None)
        assert words in self.err, self.err
        return self.err

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        self.send(signal.SIGINT)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> AzResult:
        """Wait for its own end."""
        code = self.process.wait(SECONDS)
        return AzResult(code, self._out.read_text(), self.err)


@contextmanager
def running(argv: Sequence[str]) -> Iterator[Running]:
    """The az program itself, killed at the end if it still runs."""
    with tempfile.TemporaryDirectory() as directory:
        out, err = Path(directory, "out"), Path(directory, "err")
        with out.open("wb") as out_file, err.open("wb") as err_file:
            command = [sys.executable, "-m", "azure.cli", *argv]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out_file, stderr=err_file)
        try:
            yield Running(process, out, err)
        finally:
            process.kill()
            process.wait()
