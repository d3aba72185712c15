"""Datasets: images, label maps, a vocabulary and a split, with one name; one module each."""
