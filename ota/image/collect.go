package image

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// orphanAge is how old an image is at least that Collect removes: it may belong to an upload that
// is not recorded yet, or to a record that a restored Redis misses.
const orphanAge = 24 * time.Hour

// Collect removes images that no record names, which a server leaves that is killed during an
// upload, and returns how many it removed. known reports whether a record names an image.
func (d *Directory) Collect(known func(fleet.ProductID, fleet.Digest) (bool, error)) (removed int, err error) {
	names, err := filepath.Glob(filepath.Join(d.root, "*", "*"))
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		product, errProduct := strconv.ParseUint(filepath.Base(filepath.Dir(name)), 10, 32)
		sum, errDigest := hex.DecodeString(filepath.Base(name))
		info, errStat := os.Stat(name)
		if errors.Join(errProduct, errDigest, errStat) != nil || len(sum) != len(fleet.Digest{}) || time.Since(info.ModTime()) < orphanAge {
			continue // not an image, or too young
		}
		named, err := known(fleet.ProductID(product), fleet.Digest(sum))
		if err != nil {
			return removed, err
		}
		if named {
			continue
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
