"""Counts words: parameters come as JSON on stdin, the result goes as JSON to stdout."""

import json
import sys

parameters = json.load(sys.stdin)
json.dump({"words": len(parameters["text"].split())}, sys.stdout)
