"""Draws the loss curve: `draw_loss.py LOSS.csv PICTURE.png`."""

import csv
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def main(table, picture):
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    figure, axes = pyplot.subplots(figsize=(7, 3.6), dpi=150, layout="constrained")
    for column, label in {"train_loss": "text trained on, with dropout", "choose_loss": "text for choosing, not trained on"}.items():
        axes.plot(steps, [float(row[column]) for row in rows], label=label)
    axes.set(xlabel="step (32,768 tokens each)", ylabel="loss (nats a token)", ylim=(2.5, 4.5), xlim=(0, steps[-1]))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(picture)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
