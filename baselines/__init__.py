"""What the solver is compared with."""
