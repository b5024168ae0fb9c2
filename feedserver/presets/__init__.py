"""Recognises folders that another program publishes, and takes settings from the program's own configuration.

Each preset is a YAML file in this package: the signs by which a folder is recognised, and the settings that
follow. `preset` loads them, `recognition` looks at a folder, `taking` fills in the values of a configuration.
Nothing of the folder is executed. To add a preset, add a file and a sample of the folder to the tests.
"""
