"""What the acts of an evening work with between two stages: gathered, kept, told."""
