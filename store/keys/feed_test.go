package keys_test

import (
	"testing"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/slots"
)

func TestTheFeedOfABucketIsInTheSlotOfItsRecords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{keys.Edits: true}
	for part := range keys.Parts {
		f, c := keys.Feed(part), keys.Tags(part)
		if seen[f] || seen[c] || f == c {
			t.Errorf("part %d has a key of another one: %s, %s", part, f, c)
		}
		seen[f], seen[c] = true, true
		if slots.Of(f) != slots.Of(c) {
			t.Errorf("%s and %s are in different slots", f, c)
		}
		if part < keys.Buckets && slots.Of(f)/64 != part {
			t.Errorf("%s is not in a slot of bucket %d", f, part)
		}
	}
	if slots.Of(keys.Edits) != slots.Of(keys.Feed(keys.Catalogs)) {
		t.Error("edits are not in the slot of the feed of catalogs")
	}
	for bucket, id := range inBucket() {
		if slots.Of(keys.Device(id)) != slots.Of(keys.Feed(bucket)) {
			t.Errorf("the record of %s is not in the slot of its feed", id)
		}
	}
}
