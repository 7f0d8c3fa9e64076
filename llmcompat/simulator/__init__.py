"""An OpenAI-compatible endpoint of our own, with named faults: demo, simulations and test bench."""
