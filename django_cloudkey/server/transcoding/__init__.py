"""
Turn one uploaded file into verified renditions: paths in, files and facts out.

The straight line through this package::

    tools = find_tools()                                  # tools.py: which ffmpeg
    facts = probe(tools, source)                          # sniff.py, probe.py: what the file is
    check_budget(facts, Budget())                         # probe.py: whether it is admitted
    made = transcode(tools, source, facts, names, directory, limits=Limits())

Uploads are hostile until the opposite is shown. The container is told from the first bytes and
pinned, nothing a user wrote reaches a command line, every process runs under the limits of
``launcher.py``, and what was made is probed before it is believed. Every way this can end badly is
a class of ``errors.py``.

Knows nothing of Django, settings, storages or jobs. POSIX only; isolation is complete on Linux
alone.
"""
