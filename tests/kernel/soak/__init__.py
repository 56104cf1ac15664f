# SPDX-License-Identifier: LGPL-2.1-or-later
"""The soak: seeded points, each a migration that something happens to, judged from outside.

points   what can happen and when, and which points a seed gives
table    what may come of it: docs/migration-stream.md as data
facts    what can be seen of a host, and what it means
oracle   whether what was seen may be
stage    a pair of VMs on which a point is played
report   lines, totals, JSON
"""
