"""Reads what other viewers read of a run: viewers.py tensorboard FOLDER | viewers.py trace FILE

Prints one JSON object of what TensorBoard's own reader, or Perfetto's own messages, find. It judges nothing but what every
trace must be; whoever calls it compares.
"""

import json
import sys


def tensorboard(folder):
    from tensorboard.backend.event_processing import event_accumulator

    # Without a bound it keeps every step.
    reader = event_accumulator.EventAccumulator(folder, size_guidance={event_accumulator.SCALARS: 0})
    reader.Reload()
    tags = reader.Tags()["scalars"]
    return {tag: [[event.step, event.value] for event in reader.Scalars(tag)] for tag in tags}


def trace(path):
    from google.protobuf import unknown_fields
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as perfetto

    def unknown(message):
        """How many fields of a message and those in it Perfetto does not know."""
        count = len(unknown_fields.UnknownFieldSet(message))
        for field, value in message.ListFields():
            if field.message_type:
                values = value if field.is_repeated else [value]
                count += sum(unknown(value) for value in values)
        return count

    trace = perfetto.Trace()
    with open(path, "rb") as file:
        trace.ParseFromString(file.read())
    tracks, faults, flows, notes, moments, processes = {}, [], {}, {}, [], []
    slices, names = 0, {}
    for packet in trace.packet:
        if not packet.trusted_packet_sequence_id:
            faults.append("a packet without a sequence")
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            tracks[track.uuid] = {"newest": 0, "open": []}
            if track.parent_uuid and track.parent_uuid not in tracks:
                faults.append(f"track {track.uuid} has no parent")
            if track.HasField("process"):
                processes.append(track.process.process_name)
        if not packet.HasField("track_event"):
            continue
        event, at = packet.track_event, packet.timestamp
        track = tracks.get(event.track_uuid)
        if track is None:
            faults.append(f"nobody declared track {event.track_uuid}")
            continue
        if at < track["newest"]:
            faults.append(f"time goes back on track {event.track_uuid}")
        track["newest"] = at
        if event.type == event.TYPE_SLICE_BEGIN:
            slices += 1
            names[event.name] = names.get(event.name, 0) + 1
            track["open"].append((at, list(event.flow_ids), event.track_uuid))
        elif event.type == event.TYPE_SLICE_END:
            if not track["open"]:
                faults.append(f"a slice of track {event.track_uuid} ends and never began")
                continue
            began, ids, uuid = track["open"].pop()
            for flow in ids:
                flows.setdefault(flow, []).append([began, at])
        elif event.type == event.TYPE_INSTANT:
            moments.append(event.name)
            for note in event.debug_annotations:
                notes[note.name] = getattr(note, note.WhichOneof("value"))
    for uuid, track in tracks.items():
        if track["open"]:
            faults.append(f"slices of track {uuid} never end")
    for spans in flows.values():
        if min(end for _, end in spans) < max(begin for begin, _ in spans):
            faults.append("a collective was left before all had entered")
    return {
        "faults": faults,
        "processes": processes,
        "slices": slices,
        "names": names,
        "ranks_of_calls": sorted({len(spans) for spans in flows.values()}),
        "calls": len(flows),
        "moments": moments,
        "clock_error_us": notes.get("clock_error_us"),
        "unknown_fields": unknown(trace),
    }


if __name__ == "__main__":
    read = {"tensorboard": tensorboard, "trace": trace}[sys.argv[1]]
    print(json.dumps(read(sys.argv[2])))
