package keys

// Parts is how many feeds there are: one for each bucket of devices, and then one for the catalogs.
const Parts = Buckets + 1

// Catalogs is the part of the catalogs.
const Catalogs = Buckets

// Feed is a stream: a part's writes, in order (docs/adr/0042).
func Feed(part int) string { return feeds[part] }

// Tags is a hash: p<product> -> the tag of its catalog; seq and last of the part's Feed. It is in
// the slot of the bucket's records.
func Tags(part int) string { return tagsOf[part] }

// Edits is a hash: an id -> the product whose catalog is being edited.
const Edits = "g:{catalogs}"

var feeds, tagsOf = func() (f, c [Parts]string) {
	for part := range Parts {
		tag := "catalogs"
		if part < Buckets {
			tag = tags[part]
		}
		f[part], c[part] = "f:{"+tag+"}", "c:{"+tag+"}"
	}
	return f, c
}()
