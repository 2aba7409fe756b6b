"""Energies E(x, y): one file a family."""
