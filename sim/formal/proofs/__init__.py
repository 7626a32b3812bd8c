"""What is proven of each component, one file per component."""
