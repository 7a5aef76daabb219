"""What the program reads and writes against the JSON Schemas in share/schema."""
import json
import tomllib
from pathlib import Path

import jsonschema

from check import Check, Measured
from program import ASSAY, ROOT, run

SCHEMAS = ROOT / "share" / "schema"


def validator(name: str) -> jsonschema.protocols.Validator:
    schema = json.loads((SCHEMAS / name).read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def faults(name: str, document: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(document)]


def none(found: list[str]) -> Measured:
    return Measured(len(found), 0, "; ".join(found[:3]))


def config(path: Path) -> Measured:
    with path.open("rb") as file:
        return none(faults("config.schema.json", tomllib.load(file)))


def results(path: Path, work: Path) -> Measured:
    out = work / f"schema-{path.stem}"
    run(ASSAY, "run", path, "--out", out)
    return none(faults("results.schema.json", json.loads((out / "results.json").read_text())))


BROKEN = {
    "a misspelt key": {"data": {"source": "fashion_mnist"}, "model": [{"path": "m.pt"}], "bacth": 1},
    "a wrong type": {"data": {"source": "fashion_mnist"}, "model": [{"path": "m.pt"}], "batch": "128"},
    "no data": {"model": [{"path": "m.pt"}]},
    "severity 6": {
        "data": {"source": "fashion_mnist"}, "model": [{"path": "m.pt"}], "corruption": [{"name": "contrast", "severity": 6}],
    },
    "after within after": {
        "data": {"source": "fashion_mnist"}, "model": [{"path": "m.pt"}],
        "corruption": [{"name": "fog", "severity": 1, "after": {"name": "snow", "severity": 1, "after": {"name": "contrast", "severity": 1}}}],
    },
    "an empty list": {
        "data": {"source": "fashion_mnist"}, "model": [{"path": "m.pt"}], "attack": [{"name": "fgsm", "epsilon": []}],
    },
}  # fmt: skip


COMPOSED = {
    "data": {"source": "fashion_mnist"},
    "model": [{"path": str(ROOT / "models" / "robust.pt")}],
    "attack": [{"name": "fgsm", "epsilon": 0.1, "after": {"name": "fog", "severity": [1, 2], "pipeline": "stored"}}],
    "corruption": [
        {"name": "snow", "severity": 1, "after": [{"name": ["fog", "contrast"], "severity": 1, "table": "32"}, {"name": "pixelate", "severity": 2}]}
    ],
}  # fmt: skip


def accepted_by_both(document: dict, path: Path) -> Measured:
    path.write_text(json.dumps(document))
    run(ASSAY, "run", path, "--dry-run", "--out", path.with_suffix(".out"))
    return none(faults("config.schema.json", document))


def rejected_by_both(document: dict, path: Path) -> Measured:
    """The schema and the program must both refuse it; counts those that do not."""
    path.write_text(json.dumps(document))
    accepted = []
    if not faults("config.schema.json", document):
        accepted.append("accepted by the schema")
    try:
        run(ASSAY, "run", path, "--dry-run", "--out", path.with_suffix(".out"))
        accepted.append("accepted by the program")
    except RuntimeError as error:
        if not str(error).startswith("exit 2 "):
            accepted.append(f"the program ends with {error}")
    return none(accepted)


def checks(work: Path, _: bool) -> list[Check]:
    configs = sorted((ROOT / "configs").glob("*.toml"))
    found = [Check(f"configs/{path.name} fits its schema", lambda p=path: config(p)) for path in configs]
    found.append(Check("results.json of configs/smoke.toml fits its schema", lambda: results(ROOT / "configs" / "smoke.toml", work)))
    found.append(Check("a config with compositions fits its schema", lambda: accepted_by_both(COMPOSED, work / "composed.json")))
    for i, (what, document) in enumerate(BROKEN.items()):
        found.append(Check(f"a config with {what} is refused", lambda d=document, i=i: rejected_by_both(d, work / f"broken-{i}.json")))
    return found
