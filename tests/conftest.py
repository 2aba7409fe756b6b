import torch
from hypothesis import settings

# noisy machines: no test is about time; and the same cases in every run
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("suite")

torch.set_num_threads(1)  # what the tests compute is too small to share
