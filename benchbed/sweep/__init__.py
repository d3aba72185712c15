"""Many runs as jobs: one variant on one dataset each, on a Slurm cluster or beside each other on this machine."""
