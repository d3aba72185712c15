"""What several methods share: the MaskFormer proposal network, its ResNets, the prompt learner, sizes read from shapes."""
