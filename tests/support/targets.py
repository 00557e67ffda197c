"""Drawn sets with targets as medicine has them: X-rays with several findings, ages of people."""

import csv

import cv2
import numpy as np

FINDINGS = ("Effusion", "Mass", "Nodule", "Atelectasis")
SHARES = (0.4, 0.25, 0.15, 0.08)


def xray(findings, random, side=48):
    """A gray image, in which each finding is a shape at a place of its own, in noise."""
    image = np.full((side, side), random.uniform(70, 130))
    quarter = side // 4
    for number, finding in enumerate(FINDINGS):
        if finding in findings:
            down, across = divmod(number, 2)
            center = quarter + 2 * quarter * across, quarter + 2 * quarter * down
            color = 200 if number % 2 else 20
            if number < 2:
                cv2.circle(image, center, quarter // 2 + 1, color, -1)
            else:
                corner = tuple(each + quarter // 2 for each in center)
                cv2.rectangle(image, center, corner, color, -1)
    return (image + random.normal(0, 10, image.shape)).clip(0, 255).astype(np.uint8)


def draw_xrays(folder, count=400, per_patient=4, seed=0):
    """images/ and findings.csv: some images of each patient, with no finding, one or several."""
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    with open(folder / "findings.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "findings", "patient"])
        for number in range(count):
            drawn = random.random(len(FINDINGS)) < SHARES
            found = [name for name, is_there in zip(FINDINGS, drawn, strict=True) if is_there]
            name = f"{number:04}.png"
            cv2.imwrite(str(folder / "images" / name), xray(found, random))
            patient = f"p{number // per_patient:03}"
            table.writerow([name, "|".join(found) or "No Finding", patient])


def face(age, random, side=48):
    """A disc that grows with the age, on a ground of any color."""
    image = np.full((side, side, 3), random.uniform(60, 200, 3))
    color = tuple(random.uniform(0, 40, 3).tolist())
    cv2.circle(image, (side // 2, side // 2), round(3 + age / 5), color, -1)
    return (image + random.normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8)


def draw_people(folder, people=120, per_person=3, seed=0):
    """people/ and ages.csv: some images of each person, a few years apart."""
    random = np.random.default_rng(seed)
    (folder / "people").mkdir(parents=True)
    with open(folder / "ages.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "age", "person"])
        for person in range(people):
            born = random.uniform(5, 80)
            for number in range(per_person):
                age = round(born + random.uniform(0, 8), 1)
                name = f"{person:03}_{number}.jpg"
                cv2.imwrite(str(folder / "people" / name), face(age, random))
                table.writerow([name, age, f"person{person:03}"])
