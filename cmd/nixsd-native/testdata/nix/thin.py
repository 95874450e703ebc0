# Thins a log with times, LOG, whose builds (104) and copies (103) are told by the activities
# of the other two arguments: of one activity's results of one kind, no repetition, and of
# bytes one in 250 ms and the last.
import json, sys

def kind(r):
    if r.get("action") == "result" and r["type"] in (105, 106):
        return r["id"], r["type"], r["fields"][0] if r["type"] == 106 else ""

log, counts = sys.argv[1], {int(i) for i in sys.argv[2:]}
lines = [line.rstrip("\n").split(" ", 1) for line in open(log)]
lines = [(int(at), line, kind(json.loads(line.removeprefix("@nix ")))) for at, line in lines]
last = {k: i for i, (_, _, k) in enumerate(lines) if k}
seen = {}
for i, (at, line, k) in enumerate(lines):
    if k:
        before, same = seen.get(k, (-1000, ""))
        bytes_ = k[1] == 105 and k[0] not in counts
        if line == same or bytes_ and at - before < 250 and i != last[k]:
            continue
        seen[k] = at, line
    print(at, line)
