"""The Jobs page in parts: how jobs stand, one job, the processes. Screens floor."""
