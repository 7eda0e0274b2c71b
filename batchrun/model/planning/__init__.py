"""What a launch does next: the planner, its stimuli and actions, and all that it weighs."""
