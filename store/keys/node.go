package keys

// Wakes is a set: what a node should look at again in a bucket. It is in the slot of the bucket's records.
func Wakes(bucket int, node string) string { return "w:{" + tags[bucket] + "}:" + node }
