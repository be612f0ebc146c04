"""Dockerfile, compose.yaml and Kubernetes: what can be said of them without an engine."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from spotlab.cli.main import build_parser
from spotlab.settings import Settings
from tests.conftest import ROOT

COMPOSE = ROOT / "compose.yaml"
KUBERNETES = ROOT / "deploy" / "kubernetes.yaml"
EXAMPLE = ROOT / "deploy" / "spotlab.env.example"
SETTINGS = {f"SPOTLAB_{name.upper()}" for name in Settings.model_fields}
OURS = "spotlab:0.1.0"


@cache
def compose() -> dict[str, Any]:
    document = yaml.safe_load(COMPOSE.read_text())
    assert isinstance(document, dict)
    return document


@cache
def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(KUBERNETES.read_text()))


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, continued lines joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def of(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


# Dockerfile


def test_the_image_is_built_in_stages_of_instructions_that_docker_knows() -> None:
    known = {"ARG", "FROM", "ENV", "RUN", "COPY", "WORKDIR", "USER", "VOLUME", "EXPOSE"}
    known |= {"STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    names = [name for name, _ in instructions()]
    assert set(names) <= known
    assert next(name for name in names if name != "ARG") == "FROM"
    assert [rest.split(" AS ")[1] for rest in of("FROM")] == ["packages", "spotlab"]


def test_every_image_has_a_version_and_none_is_the_latest() -> None:
    services = compose()["services"].values()
    images = [of("ARG")[0].split("=")[1], *(service["image"] for service in services)]
    pods = [d for d in kubernetes() if d["kind"] == "Deployment"]
    inside = [c["image"] for d in pods for c in d["spec"]["template"]["spec"]["containers"]]
    for image in (*images, *inside):
        assert re.search(r":?\d+\.\d+", image), image
        assert "latest" not in image


def test_the_image_installs_the_locked_hashed_packages_and_runs_without_root() -> None:
    installs = [run for run in of("RUN") if "pip install" in run]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert "requirements/main.txt" in installs[0]
    assert of("USER") == ["10001:10001"]
    last = [name for name, _ in instructions()]
    assert last.index("USER") > max(place for place, name in enumerate(last) if name == "RUN")


def test_what_is_copied_is_there_and_not_left_out() -> None:
    shown = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    for copied in of("COPY"):
        if "--from=" in copied:
            continue
        *sources, _target = [word for word in shlex.split(copied) if not word.startswith("--")]
        for source in sources:
            plain = source.removeprefix("./")
            assert (ROOT / plain).exists(), source
            assert any(plain == name or plain.startswith(f"{name}/") for name in shown), source


def test_the_image_starts_a_command_that_there_is() -> None:
    (entry,), command = of("ENTRYPOINT"), of("CMD")[-1]
    build_parser().parse_args(yaml.safe_load(command))
    assert yaml.safe_load(entry) == ["spotlab"]
    assert "/healthz" in of("HEALTHCHECK")[0]


# compose.yaml


def test_compose_has_two_replicas_a_worker_and_what_they_share() -> None:
    services = compose()["services"]
    assert set(services) == {
        "owner",
        "migrate",
        "app-a",
        "app-b",
        "worker",
        "postgres",
        "redis",
        "nginx",
    }
    assert services["app-a"] == services["app-b"]
    for name in ("migrate", "worker"):
        build_parser().parse_args(services[name]["command"])
    for name in ("app-a", "worker"):
        assert services[name]["environment"]["SPOTLAB_SCHEDULER"] == "off"


def test_compose_waits_for_what_is_needed_in_an_order_without_a_circle() -> None:
    services = compose()["services"]
    needs = {name: dict(service.get("depends_on", {})) for name, service in services.items()}
    for name, needed in needs.items():
        for other, how in needed.items():
            assert other in services, f"{name} waits for {other}"
            if how["condition"] == "service_healthy":
                check = services[other]["healthcheck"]
                assert "test" in check, f"{name} waits for {other}, which has no check"
            else:
                assert services[other]["restart"] == "no"
    done: list[str] = []
    while len(done) < len(services):
        ready = [n for n, needed in needs.items() if n not in done and set(needed) <= set(done)]
        assert ready, f"a circle among {set(services) - set(done)}"
        done += ready


def test_no_secret_has_a_default_and_none_is_in_the_file() -> None:
    text = COMPOSE.read_text()
    variables = re.findall(r"(?<!\$)\$\{([A-Z_]+)([^}]*)\}", text)
    example = {
        line.split("=")[0]: line.split("=", 1)[1]
        for line in EXAMPLE.read_text().splitlines()
        if line and not line.startswith("#")
    }
    assert {name for name, _ in variables} == set(example)
    assert all(how.startswith(":?") for _, how in variables)
    assert set(example.values()) == {""}
    for service in compose()["services"].values():
        for name, value in service.get("environment", {}).items():
            if name.endswith(("PASSWORD", "KEY", "TOKEN", "URL")):
                assert "${" in value, name


def test_what_serves_people_may_do_little() -> None:
    for name, service in compose()["services"].items():
        if service["image"] != OURS or name == "owner":
            continue
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "user" not in service, "the image's own, which is not root"
        # A shutdown takes up to 10 s.
        assert int(service["stop_grace_period"].removesuffix("s")) > 10
    ports = {name: s["ports"] for name, s in compose()["services"].items() if "ports" in s}
    assert ports == {"nginx": ["127.0.0.1:8080:8080"]}


def test_settings_in_the_files_are_settings_of_spotlab() -> None:
    config = next(d for d in kubernetes() if d["kind"] == "ConfigMap")
    named = set(config["data"]) | set(compose()["services"]["app-a"]["environment"])
    named |= set(re.findall(r"SPOTLAB_[A-Z_]+", (ROOT / "Dockerfile").read_text()))
    named |= set(re.findall(r"SPOTLAB_[A-Z_]+", EXAMPLE.read_text()))
    assert named <= SETTINGS


def test_the_proxy_that_is_trusted_is_the_one_there_is() -> None:
    services = compose()["services"]
    address = services["nginx"]["networks"]["inside"]["ipv4_address"]
    assert services["app-a"]["environment"]["SPOTLAB_TRUSTED_PROXIES"] == address
    assert "172.30.77.0/24" in str(compose()["networks"])


def test_compose_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    plugin = docker and subprocess.run([docker, "compose", "version"], capture_output=True)
    if not docker or not plugin or plugin.returncode:
        return  # not skipped: what can be said without the plugin is said above
    filled = tmp_path / "spotlab.env"
    filled.write_text(re.sub(r"=$", "=x", EXAMPLE.read_text(), flags=re.M))
    words = [docker, "compose", "--env-file", str(filled), "-f", str(COMPOSE), "config", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Kubernetes


def test_kubernetes_documents_are_whole_and_fit_together() -> None:
    kinds = sorted(document["kind"] for document in kubernetes())
    assert kinds == [
        "ConfigMap",
        "Deployment",
        "Deployment",
        "Ingress",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "Service",
    ]
    for document in kubernetes():
        assert document["apiVersion"]
        assert document["metadata"]["name"]
    pods = {
        d["metadata"]["name"]: d["spec"]["template"]
        for d in kubernetes()
        if d["kind"] == "Deployment"
    }
    for document in kubernetes():
        if document["kind"] in ("Deployment", "PodDisruptionBudget", "Service"):
            selector = document["spec"]["selector"]
            wanted = selector.get("matchLabels", selector)
            chosen = [
                n for n, p in pods.items() if wanted.items() <= p["metadata"]["labels"].items()
            ]
            assert len(chosen) == 1, document["metadata"]["name"]


@pytest.mark.parametrize("name", ["spotlab", "spotlab-worker"])
def test_pods_are_locked_down_and_what_they_mount_is_there(name: str) -> None:
    (deployment,) = [
        d for d in kubernetes() if d["kind"] == "Deployment" and d["metadata"]["name"] == name
    ]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    build_parser().parse_args(container["args"])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["terminationGracePeriodSeconds"] > 10
    locked = container["securityContext"]
    assert locked["readOnlyRootFilesystem"] is True
    assert locked["allowPrivilegeEscalation"] is False
    assert locked["capabilities"] == {"drop": ["ALL"]}
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert "memory" in container["resources"]["limits"]


def test_the_app_is_probed_where_it_answers() -> None:
    (deployment,) = [
        d for d in kubernetes() if d["kind"] == "Deployment" and d["metadata"]["name"] == "spotlab"
    ]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    (budget,) = [d for d in kubernetes() if d["kind"] == "PodDisruptionBudget"]
    assert budget["spec"]["minAvailable"] < deployment["spec"]["replicas"]
