"""The commands of `mixvec`, one file each; heavy imports happen inside the command that needs them."""
