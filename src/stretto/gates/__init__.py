"""Gates: compare benchmarks with a baseline, so that a build can fail when a program has become slower.

``gate_statistics`` holds the tests, ``report_formats`` reads what benchmark tools write, ``gate_verdict``
judges, ``gate_texts`` writes the verdict for people and build servers. Standard library only.
"""
