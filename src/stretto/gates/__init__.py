"""Gates: compare benchmarks with a baseline, so that a build can fail when a program has become slower.

``gate_statistics`` holds the tests, ``read_benchmark_reports`` reads what benchmark tools write,
``gate_verdict`` judges, ``gate_texts`` writes the verdict for people and build servers. It all needs the
standard library only.
"""
