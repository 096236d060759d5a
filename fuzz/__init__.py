"""Coverage-guided fuzzing: `python -m fuzz TARGET --seconds 360`.

    seeds, corpus --> atheris, JSON mutator --> Guard --> a target: one door of the project
                                                  |
                      findings (reason, traceback, input) of this run

A target takes any bytes. It fails on an exception that is not one of the documented errors, on a
logged error, on a hang and on memory growth; many targets check a property as well. The table of
targets is in targets.py. `tests/fuzz/` replays a small corpus through each of them.
"""
