# SPDX-License-Identifier: Apache-2.0
"""What the commands of the lab share: the lab that is meant, and errors as one line."""
import argparse
import os
import signal
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
    lab = layout.find(options.dir, options.prefix)
    if not os.path.isdir(lab.dir):
        raise LabError(f"the directory of lab '{lab.prefix}' has been removed; end what still runs with lab/down --prefix {lab.prefix}")
    return lab


def ended(number, _frame):
    """As an exception, so that whoever has brought up a lab takes it down. A second signal does not interrupt that."""
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def run(main):
    """main() as a program: LabError is a message, not a traceback."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, ended)
    try:
        status = main()
        sys.stdout.flush()
        sys.exit(status)
    except LabError as error:
        sys.exit(f"lab: {error}")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
