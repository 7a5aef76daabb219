"""The peers, in the versions that requirements/parity.txt pins. One that is missing fails the suite: nothing is skipped."""
import importlib
import importlib.metadata

VERSIONS = {
    "torch": ("torch", "2.11.0"),
    "foolbox": ("foolbox", "3.3.4"),
    "torchattacks": ("torchattacks", "3.5.1"),
    "pyautoattack": ("pyautoattack", "0.2.0"),
    "torchmetrics": ("torchmetrics", "1.9.0"),
    "scikit-learn": ("sklearn", "1.9.1"),
    "pillow": ("PIL", "13.0.0"),
    "numpy": ("numpy", "2.4.6"),
    "scipy": ("scipy", "1.17.1"),
    "jsonschema": ("jsonschema", "4.26.0"),
}


def faults() -> list[str]:
    """One line for each peer that cannot be imported or has another version."""
    found = []
    for package, (module, expected) in VERSIONS.items():
        try:
            importlib.import_module(module)
            version = importlib.metadata.version(package)
        except ImportError as error:  # PackageNotFoundError is one
            found.append(f"{package} {expected} is missing: {error}")
            continue
        if version.split("+")[0] != expected:
            found.append(f"{package} is {version}, expected {expected}")
    return found
