"""A second, standard benchmark: the same recipe, class-conditional, on Fashion-MNIST, small enough for any machine.

    python -m training.fashion.unet          # fetches the data at first; --minutes, --until and --steps as in training.unet
    python -m training.fashion.classifier
    python -m training.fashion.evaluate
"""
