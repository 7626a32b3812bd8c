"""Design-space exploration: which accelerator to build for a model."""
