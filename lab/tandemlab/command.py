# SPDX-License-Identifier: Apache-2.0
"""What the commands of the lab share: the lab that is meant, and errors as one line."""
import argparse
import os
import sys

from . import layout
from .layout import LabError


def parser(description, epilog=None):
    return argparse.ArgumentParser(
        description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_lab_options(arguments):
    arguments.add_argument("--dir", help="directory of the lab")
    arguments.add_argument("--prefix", help="prefix of its namespaces; neither is needed while only one lab is up")


def find(options):
    return layout.find(options.dir, options.prefix)


def run(main):
    """main() as a program: LabError is a message, not a traceback."""
    try:
        status = main()
        sys.stdout.flush()
        sys.exit(status)
    except LabError as error:
        sys.exit(f"lab: {error}")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
