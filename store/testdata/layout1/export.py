"""Prints every key of a Redis, one line of JSON each: the key, and the commands that write it.

Usage: python3 export.py SOCKET. Bytes are text in latin-1. Needs nothing but Python."""
import json, socket, sys

connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
stream = connection.makefile("rwb")

def reply():
    line = stream.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"*":
        return [reply() for _ in range(int(rest))]
    if kind == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2]
    if kind == b"-":
        raise Exception(rest)
    return rest

def redis(*words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    stream.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
    stream.flush()
    return reply()

for key in sorted(redis("KEYS", "*")):
    kind = redis("TYPE", key)
    if kind == b"hash":
        pairs = redis("HGETALL", key)
        pairs = sorted(zip(pairs[::2], pairs[1::2]))
        commands = [["HSET", key] + [w for pair in pairs for w in pair]]
    elif kind == b"list":
        commands = [["RPUSH", key] + redis("LRANGE", key, 0, -1)]
    elif kind == b"string":
        commands = [["SET", key, redis("GET", key)]]
    elif kind == b"set":
        commands = [["SADD", key] + sorted(redis("SMEMBERS", key))]
    elif kind == b"zset":
        members = redis("ZRANGE", key, 0, -1, "WITHSCORES")
        commands = [["ZADD", key] + [w for i in range(0, len(members), 2) for w in (members[i + 1], members[i])]]
    elif kind == b"stream":
        commands = [["XADD", key, entry] + fields for entry, fields in redis("XRANGE", key, "-", "+")]
    else:
        raise Exception(kind)
    for command in commands:
        print(json.dumps([w if isinstance(w, str) else w.decode("latin-1") for w in command]))
