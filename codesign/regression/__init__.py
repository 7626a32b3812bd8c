"""The accelerator against PyTorch and the cycle model: jobs, runs, and what is wrong with an answer."""
