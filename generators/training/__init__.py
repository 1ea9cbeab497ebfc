"""Training of motion models: pairs, losses' steps, checkpoints."""
