"""python descriptors.py MODULE FILE: writes the protobuf descriptors that a server's package publishes, with all that they import."""

import importlib
import sys

from google.protobuf import descriptor_pb2


def collect(file, into, seen):
    if file.name in seen:
        return
    seen.add(file.name)
    for needed in file.dependencies:
        collect(needed, into, seen)
    file.CopyToProto(into.file.add())


found = descriptor_pb2.FileDescriptorSet()
collect(importlib.import_module(sys.argv[1]).DESCRIPTOR, found, set())
with open(sys.argv[2], "wb") as f:
    f.write(found.SerializeToString())
