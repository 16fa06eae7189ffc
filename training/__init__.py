"""Training of Tenstep's default model. README.md in this folder lists the commands."""
