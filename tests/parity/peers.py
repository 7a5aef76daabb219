"""The peers, in the versions that requirements/parity.txt and requirements/oracle.txt pin.

One that is missing fails the suite: nothing is skipped.
"""
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
# In .venv-oracle: what ImageNet-C's corruptions are computed with, and imagecorruptions.
ORACLE_VERSIONS = {
    "numpy": "1.26.4",
    "scipy": "1.11.4",
    "scikit-image": "0.22.0",
    "opencv-python-headless": "4.11.0.86",
    "pillow": "11.3.0",
    "imagecorruptions": "1.1.2",
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
    return found or oracle_faults()


def oracle_faults() -> list[str]:
    from program import ORACLE, run  # which imports NumPy, a peer that may be missing

    ask = "import importlib.metadata as m, sys; print(*(m.version(name) for name in sys.argv[1:]))"
    try:
        versions = run(ORACLE, "-c", ask, *ORACLE_VERSIONS).split()
    except (OSError, RuntimeError) as error:
        return [f".venv-oracle cannot be asked, ./run parity makes it: {error}"]
    found = zip(ORACLE_VERSIONS.items(), versions, strict=True)
    return [f"{package} is {version} in .venv-oracle, expected {wanted}" for (package, wanted), version in found if version != wanted]
