from hypothesis import settings

# Examples run on machines that are busy with other things: a slow one is no failure.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
