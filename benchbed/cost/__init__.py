"""What a forward pass costs: parameters, FLOPs, time, memory, and the machine it ran on.

The only room of the bench that reads clocks. Each module imports torch, if at all, when a function needs it,
except the counters of parameters and FLOPs, which are made of it; `statistics` needs numpy alone, so that
reports can be written from records on a machine without torch.
"""
