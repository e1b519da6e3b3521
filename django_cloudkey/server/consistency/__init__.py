"""
What has to be true of a cloud whatever happened to it, looked at while it runs.

The straight line through this package::

    listing.py      what the storage holds, noted in a temporary file
    rows.py         rows that contradict each other
    files.py        rows without their files, files without a row
    leftovers.py    what should have been swept up
    inspection.py   all of it, one finding after the other

Nothing is held in memory but a batch, and nothing is changed unless a finding is told to mend what
it found. Work in progress is no finding: what may change at any moment is looked at again, and what
is young is left alone.
"""
