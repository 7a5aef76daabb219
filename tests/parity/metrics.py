"""Calibration and accuracy of saved logits and probabilities against torchmetrics and scikit-learn.

Confidences of exactly 1.0, on a bin's edge and one float32 beside it are where tools disagree: `--profile` follows one.
"""
import json
import warnings
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score, auc, average_precision_score, balanced_accuracy_score, brier_score_loss, log_loss, precision_recall_curve, roc_auc_score, roc_curve,
    top_k_accuracy_score)  # fmt: skip
from torchmetrics import MeanSquaredError
from torchmetrics.classification import MulticlassCalibrationError
from torchmetrics.functional.text import perplexity

from check import Check, Measured, expect_covered
from program import ASSAY, registered, run

TOLERANCE = 1e-6
BINS = 15
METRICS = (
    "accuracy", "balanced_accuracy", "top5_accuracy", "nll", "brier", "brier_top_label", "ece", "mce", "rmsce", "misclassification_auroc",
    "misclassification_aupr_success", "misclassification_aupr_error", "misclassification_aupr_success_trapezoid",
    "misclassification_aupr_error_trapezoid", "misclassification_fpr95", "misclassification_fpr95_error")  # fmt: skip
RANKS = 1e-12  # counts and divisions on both sides


@dataclass(frozen=True)
class Outputs:
    """What a model said: logits or probabilities, N x K float32, and the labels."""

    name: str
    kind: str  # the option of `assay score`: logits or probs
    values: np.ndarray = field(hash=False)
    labels: np.ndarray = field(hash=False)

    @property
    def classes(self) -> int:
        return self.values.shape[1]

    @property
    def probabilities(self) -> np.ndarray:
        """float64, but of the float32 values that assay reads."""
        values = self.values.astype(np.float64)
        return softmax(values, axis=1) if self.kind == "logits" else values


def all_outputs() -> list[Outputs]:
    random = np.random.default_rng(11)

    def logits(n: int, classes: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
        values = (scale * random.normal(size=(n, classes))).astype(np.float32)
        labels = np.where(random.random(n) < 0.7, values.argmax(axis=1), random.integers(0, classes, n))
        return values, labels.astype(np.int64)

    def edges(wrong_when_sure: bool) -> tuple[np.ndarray, np.ndarray]:
        """Confidences k/15 in float32, their two neighbours, and 1.0; each several times, right and wrong."""
        on = (np.arange(2, BINS + 1, dtype=np.float64) / BINS).astype(np.float32)
        near = [on, np.nextafter(on, np.float32(0)), np.nextafter(on[:-1], np.float32(1))]
        top = np.repeat(np.concatenate(near), 12)
        labels = random.integers(0, 10, top.size)
        values = np.repeat(((1 - top.astype(np.float64)) / 9).astype(np.float32)[:, None], 10, axis=1)
        right = random.random(top.size) < 0.6
        if not wrong_when_sure:  # a label of probability 0 has no finite log-likelihood
            right |= top == 1
        values[np.arange(top.size), np.where(right, labels, (labels + 3) % 10)] = top
        return values, labels

    return [
        Outputs("logits 4000x10", "logits", *logits(4000, 10, 3)),
        Outputs("logits 3000x100", "logits", *logits(3000, 100, 2)),
        Outputs("logits 2000x2", "logits", *logits(2000, 2, 2)),
        # Half of these softmaxes are exactly 1.0 in float32, right and wrong.
        Outputs("saturated logits 3000x10", "logits", *logits(3000, 10, 40)),
        Outputs("bin edges and 1.0, 10 classes", "probs", *edges(wrong_when_sure=True)),
        Outputs("bin edges, 1.0 always right, 10 classes", "probs", *edges(wrong_when_sure=False)),
    ]


@cache
def score(outputs: Outputs, profile: str, work: Path) -> dict[str, float | None]:
    folder = work / f"score-{outputs.name}-{profile}".replace(" ", "-").replace(",", "")
    folder.mkdir()
    np.save(folder / "values.npy", outputs.values)
    np.save(folder / "labels.npy", outputs.labels)
    names = [word for name in METRICS for word in ("--metric", name)]
    profiles = ["--profile", profile] if profile else []
    text = run(ASSAY, "score", f"--{outputs.kind}", folder / "values.npy", "--labels", folder / "labels.npy", *names, *profiles, "--json")
    report = json.loads(text)
    if report["n"] != len(outputs.labels):
        raise RuntimeError(f"n = {report['n']}, expected {len(outputs.labels)}")
    return {name: entry["value"] for name, entry in report["metrics"].items()}


class TorchMetrics:
    """As a user calls it: float32 in, softmax left to it where the values are logits."""

    profile = "torchmetrics-1.9"

    @staticmethod
    def calibration(o: Outputs, norm: str) -> float:
        metric = MulticlassCalibrationError(num_classes=o.classes, n_bins=BINS, norm=norm)
        return float(metric(torch.from_numpy(o.values), torch.from_numpy(o.labels)))

    @staticmethod
    def ece(o: Outputs) -> float:
        return TorchMetrics.calibration(o, "l1")

    @staticmethod
    def mce(o: Outputs) -> float:
        return TorchMetrics.calibration(o, "max")

    @staticmethod
    def rmsce(o: Outputs) -> float:
        # Its own softmax, in float32, puts one saturated sample into the next bin: 3e-5, where ECE would not notice.
        metric = MulticlassCalibrationError(num_classes=o.classes, n_bins=BINS, norm="l2")
        return float(metric(torch.from_numpy(o.probabilities.astype(np.float32)), torch.from_numpy(o.labels)))

    @staticmethod
    def brier(o: Outputs) -> float:
        # The mean over classes; the Brier score is their sum.
        probabilities, onehot = torch.from_numpy(o.probabilities), torch.eye(o.classes)[torch.from_numpy(o.labels)]
        return o.classes * float(MeanSquaredError()(probabilities, onehot))

    @staticmethod
    def nll(o: Outputs) -> float:
        # Perplexity is exp(NLL). In float64, as its softmax of saturated float32 logits would be 0.
        with np.errstate(divide="ignore"):
            logits = o.values.astype(np.float64) if o.kind == "logits" else np.log(o.probabilities)
        return float(torch.log(perplexity(torch.from_numpy(logits)[None], torch.from_numpy(o.labels)[None])))


class ScikitLearn:
    profile = "sklearn-1.9"

    @staticmethod
    def ece(o: Outputs) -> float:
        confidence = o.probabilities.max(axis=1).astype(np.float32).astype(np.float64)
        right = o.values.argmax(axis=1) == o.labels
        accuracies, confidences = calibration_curve(right, confidence, n_bins=BINS, strategy="uniform")
        # The curve leaves out empty bins and does not say how full the others are; its bins are (k/15, (k + 1)/15].
        bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
        counts = np.bincount(bins, minlength=BINS)
        counts = counts[counts > 0]
        return float(np.sum(counts * np.abs(accuracies - confidences)) / counts.sum())

    @staticmethod
    def brier(o: Outputs) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rows of float32 sum to 1 but for 1e-7
            return float(brier_score_loss(o.labels, o.probabilities, labels=range(o.classes), scale_by_half=False))

    @staticmethod
    def balanced_accuracy(o: Outputs) -> float:
        return float(balanced_accuracy_score(o.labels, o.values.argmax(axis=1)))

    @staticmethod
    def brier_top_label(o: Outputs) -> float:
        return float(brier_score_loss(*ScikitLearn.ranked(o)))

    @staticmethod
    def nll(o: Outputs) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(log_loss(o.labels, o.probabilities, labels=range(o.classes)))

    @staticmethod
    def ranked(o: Outputs) -> tuple[np.ndarray, np.ndarray]:
        """What is right, and how sure the model was of it."""
        return o.values.argmax(axis=1) == o.labels, o.probabilities.max(axis=1).astype(np.float32)

    @staticmethod
    def misclassification_auroc(o: Outputs) -> float:
        return float(roc_auc_score(*ScikitLearn.ranked(o)))

    @staticmethod
    def misclassification_aupr_success(o: Outputs) -> float:
        return float(average_precision_score(*ScikitLearn.ranked(o)))

    @staticmethod
    def misclassification_aupr_error(o: Outputs) -> float:
        right, confidence = ScikitLearn.ranked(o)
        return float(average_precision_score(~right, -confidence))

    @staticmethod
    def trapezoids(positive: np.ndarray, score: np.ndarray) -> float:
        precision, recall, _ = precision_recall_curve(positive, score)
        return float(auc(recall, precision))

    @staticmethod
    def misclassification_aupr_success_trapezoid(o: Outputs) -> float:
        return ScikitLearn.trapezoids(*ScikitLearn.ranked(o))

    @staticmethod
    def misclassification_aupr_error_trapezoid(o: Outputs) -> float:
        right, confidence = ScikitLearn.ranked(o)
        return ScikitLearn.trapezoids(~right, -confidence)

    @staticmethod
    def fpr95(positive: np.ndarray, score: np.ndarray) -> float:
        fpr, tpr, _ = roc_curve(positive, score, drop_intermediate=False)
        return float(fpr[np.argmax(tpr >= 0.95)])

    @staticmethod
    def misclassification_fpr95(o: Outputs) -> float:
        return ScikitLearn.fpr95(*ScikitLearn.ranked(o))

    @staticmethod
    def misclassification_fpr95_error(o: Outputs) -> float:
        right, confidence = ScikitLearn.ranked(o)
        return ScikitLearn.fpr95(~right, -confidence)

    @staticmethod
    def accuracy(o: Outputs) -> float:
        return float(accuracy_score(o.labels, o.values.argmax(axis=1)))

    @staticmethod
    def top5_accuracy(o: Outputs) -> float:
        return float(top_k_accuracy_score(o.labels, o.values, k=5, labels=range(o.classes)))


def comparable(peer: type, metric: str, outputs: Outputs) -> bool:
    """False where the peer itself answers another question; these rows do not exist, and each has its reason here."""
    if not hasattr(peer, metric):
        return False
    if metric == "nll":
        # scikit-learn clips probabilities to [2e-16, 1], so that sure and wrong costs 36; torchmetrics has NaN for 0 * inf.
        if outputs.name == "bin edges and 1.0, 10 classes":
            return False
        if peer is ScikitLearn and outputs.name.startswith("saturated"):
            return False
    if metric == "top5_accuracy":
        # scikit-learn warns and returns 1 for fewer classes, and breaks ties by the highest index, not the lowest.
        return outputs.classes > 5 and outputs.kind == "logits"
    return True


def checks(work: Path, _: bool) -> list[Check]:
    found = []
    for outputs in all_outputs():
        for peer in (TorchMetrics, ScikitLearn):
            for metric in METRICS:
                if not comparable(peer, metric, outputs):
                    continue

                def measure(outputs=outputs, peer=peer, metric=metric) -> Measured:
                    own, other = score(outputs, peer.profile, work)[metric], getattr(peer, metric)(outputs)
                    if own is None:
                        raise RuntimeError(f"assay says it is undefined, {peer.profile} says {other}")
                    tolerance = RANKS if metric.startswith("misclassification") else TOLERANCE
                    return Measured(abs(own - other), tolerance, f"assay {own:.9g}, peer {other:.9g}")

                found.append(Check(f"{metric} of {outputs.name}, {peer.profile}", measure))
    # robust_accuracy and robust_accuracy_final have their rows in attack_end_to_end.py. uncertainty-calibration ships no
    # wheel, and no peer installed here has the others: their numbers are goldens of their tests.
    golden = {
        "rmsce_debiased", "ece_equal_mass", "mce_equal_mass", "rmsce_equal_mass", "rmsce_debiased_equal_mass", "ece_smooth",
        "ks_calibration", "aurc", "eaurc", "augrc", "accuracy_at_coverage_80", "accuracy_at_coverage_90", "accuracy_at_coverage_95",
        "ece_classwise", "ece_thresholded", "ece_top_label", "conformal_lac", "conformal_aps", "conformal_raps"}  # fmt: skip
    covered = {*METRICS, *golden, "robust_accuracy", "robust_accuracy_final"}
    found.append(expect_covered("metric", registered("metric"), covered))
    return found
