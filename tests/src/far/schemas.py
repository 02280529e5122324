"""Holds records, a JSON object a line, against published schemas.

Arguments: `otel` and a file of OTLP's LogsData, read by OpenTelemetry's own protocol buffers; or `ocsf` and a file of
OCSF events, each held against the JSON schema of its class, with the profiles it names.
"""

import json
import sys

wrong = 0


def say(line, what):
    global wrong
    wrong += 1
    print(f"line {line}: {what}")


def otel(lines):
    from google.protobuf.json_format import ParseDict, ParseError
    from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

    for number, line in enumerate(lines, 1):
        try:
            data = ParseDict(json.loads(line), LogsData(), ignore_unknown_fields=False)
        except ParseError as error:
            say(number, error)
            continue
        records = [r for one in data.resource_logs for s in one.scope_logs for r in s.log_records]
        if len(records) != 1 or records[0].time_unix_nano == 0 or not records[0].event_name:
            say(number, "is not one record with time and name")


def ocsf(lines):
    from jsonschema import Draft202012Validator
    from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

    known = {}
    for number, line in enumerate(lines, 1):
        event = json.loads(line)
        version = event["metadata"]["version"]
        profiles = sorted(event["metadata"].get("profiles", []))
        key = (version, event["class_uid"], *profiles)
        if key not in known:
            schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
            name = schema.lookup_class_name_from_uid(class_uid=event["class_uid"])
            known[key] = Draft202012Validator(schema.get_class_schema(class_name=name, profiles=profiles))
        for error in known[key].iter_errors(event):
            say(number, f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}")


lines = [line for line in open(sys.argv[2]) if line.strip()]
{"otel": otel, "ocsf": ocsf}[sys.argv[1]](lines)
print(f"{len(lines)} records")
sys.exit(0 if wrong == 0 and lines else 1)
