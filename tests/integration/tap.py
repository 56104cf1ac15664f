# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the tests of the calling module and says in TAP how each went."""

import sys
import traceback
import unittest


class Result(unittest.TestResult):
    def __init__(self, stream):
        super().__init__()
        self.stream = stream
        self.number = 0
        self.reported = False

    def line(self, text):
        self.stream.write(text + '\n')
        self.stream.flush()

    def report(self, verdict, test, directive=''):
        self.number += 1
        self.reported = True
        name = '.'.join(test.id().split('.')[1:])
        self.line(f'{verdict} {self.number} - {name}{directive}')

    def explain(self, error):
        for line in ''.join(traceback.format_exception(*error)).splitlines():
            self.line(f'# {line}')

    def addSuccess(self, test):
        super().addSuccess(test)
        self.report('ok', test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.explain(err)
        self.report('not ok', test)

    def addError(self, test, err):
        super().addError(test, err)
        self.explain(err)
        self.report('not ok', test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.report('ok', test, f' # SKIP {reason}')

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.line(f'# in {subtest}')
            self.explain(err)

    def startTest(self, test):
        super().startTest(test)
        self.reported = False

    def stopTest(self, test):
        super().stopTest(test)
        if not self.reported:  # only subtests failed
            self.report('not ok', test)


def main(module='__main__'):
    """`FILE [Class.test ...]`: all tests of the file, or the named ones. Exit status 1 when one fails."""
    loader = unittest.defaultTestLoader
    names = sys.argv[1:]
    __import__(module)
    suite = (loader.loadTestsFromNames(names, sys.modules[module]) if names
             else loader.loadTestsFromModule(sys.modules[module]))
    result = Result(sys.stdout)
    result.line(f'1..{suite.countTestCases()}')
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)
