"""The steps `language` and `keep-language` for text-processor.

Each step has a module of its own, so that a pipeline that only keeps languages loads no model.
"""
