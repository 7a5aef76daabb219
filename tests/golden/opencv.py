"""Writes opencv.txt: what OpenCV makes of water's edges in ImageNet-C's spatter, as SHA-256 of the bytes.

    python3 -m venv venv && venv/bin/pip install --no-deps -r requirements/oracle.txt && venv/bin/python tests/golden/opencv.py

Lines: `edges HxW THRESHOLD SHA256` of Canny(levels, 50, 150) and `water HxW THRESHOLD SHA256` of the shading, where
levels are noise, averaged over 5 x 5 pixels (edges repeated) and 0 where that is below the threshold.
"""
import hashlib
from pathlib import Path

import cv2
import numpy as np

from pillow import noise

SHAPES = ((32, 32), (64, 64), (45, 31), (3, 70), (70, 3), (2, 2), (1, 1), (224, 224))
THRESHOLDS = (0, 120, 140, 255)
EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


def levels(h: int, w: int, threshold: int) -> np.ndarray:
    image = np.frombuffer(noise(h * w, 1), np.uint8).reshape(h, w)
    wide = np.pad(image, 2, mode="edge").astype(int)
    mean = sum(wide[y : y + h, x : x + w] for y in range(5) for x in range(5)) // 25
    return np.where(mean < threshold, 0, mean).astype(np.uint8)


def shaded(edges: np.ndarray) -> np.ndarray:
    distance = cv2.distanceTransform(255 - edges, cv2.DIST_L2, 5)
    distance = cv2.threshold(distance, 20, 20, cv2.THRESH_TRUNC)[1]
    distance = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    return cv2.blur(cv2.filter2D(distance, cv2.CV_8U, EMBOSS), (3, 3))


def main() -> None:
    lines = [f"# OpenCV {cv2.__version__}"]
    for h, w in SHAPES:
        for threshold in THRESHOLDS:
            edges = cv2.Canny(levels(h, w, threshold), 50, 150)
            for name, image in (("edges", edges), ("water", shaded(edges))):
                lines.append(f"{name} {h}x{w} {threshold} {hashlib.sha256(image.tobytes()).hexdigest()}")
    Path(__file__).with_name("opencv.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
