"""Needs a package that nobody has."""

import a_package_that_nobody_has


def process(text):
    return a_package_that_nobody_has.process(text)
