package keys

// Wakes is a set: what a node should look at again in a bucket. It is in the slot of the bucket's records.
func Wakes(bucket int, node string) string { return "w:{" + tags[bucket] + "}:" + node }

// Wants is a hash: a node -> the topics that it subscribes to. It is in the slot of Nodes, and read with it.
const Wants = "wants:{store}"

// Inbox is a list: what other nodes have passed on to a node, oldest first.
func Inbox(node string) string { return "e:{" + node + "}" }
