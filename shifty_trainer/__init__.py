"""The program that runs beside a GPU. It imports nothing of the platform and holds no credential."""
