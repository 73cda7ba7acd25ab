package wire

import "bytes"

// facts checks Hello key 11 and copies it into h.
func facts(r *helloRecord, h *Hello) error {
	if r.Facts == nil {
		return nil
	}
	if len(r.Facts) > MaxFacts {
		return refuse(ReasonOverLimit, "key 11, facts: %d bytes, %d are allowed", len(r.Facts), MaxFacts)
	}
	if r.Facts[0]>>5 != majorTypeMap {
		return refuse(ReasonMalformed, "key 11, facts: not a map")
	}
	var m map[string]any
	if err := anyDecoder.Unmarshal(r.Facts, &m); err != nil {
		return refusal(err)
	}
	h.Facts = bytes.Clone(r.Facts)
	return nil
}
