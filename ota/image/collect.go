package image

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// OrphanAge is how old an image is at least that Collect removes.
const OrphanAge = 24 * time.Hour

// Kept is an image in a Directory.
type Kept struct {
	Product fleet.ProductID
	Digest  fleet.Digest
	Size    int64     // bytes
	Written time.Time // when it was committed, by the machine's clock
}

// Images returns all images, those written first at the start.
func (d *Directory) Images() ([]Kept, error) {
	names, err := filepath.Glob(filepath.Join(d.root, "*", "*"))
	if err != nil {
		return nil, err
	}
	var all []Kept
	for _, name := range names {
		product, errProduct := strconv.ParseUint(filepath.Base(filepath.Dir(name)), 10, 32)
		sum, errDigest := hex.DecodeString(filepath.Base(name))
		info, errStat := os.Stat(name)
		if errors.Join(errProduct, errDigest, errStat) != nil || len(sum) != len(fleet.Digest{}) {
			continue // not an image, or removed in between
		}
		all = append(all, Kept{fleet.ProductID(product), fleet.Digest(sum), info.Size(), info.ModTime()})
	}
	slices.SortStableFunc(all, func(a, b Kept) int { return a.Written.Compare(b.Written) })
	return all, nil
}

// Collect implements Store.
func (d *Directory) Collect(ctx context.Context) (removed int, err error) {
	all, err := d.Images()
	if err != nil {
		return 0, err
	}
	for _, kept := range all {
		if time.Since(kept.Written) < OrphanAge {
			continue
		}
		was, err := d.collect(ctx, kept)
		if err != nil {
			return removed, err
		}
		if was {
			removed++
		}
	}
	return removed, nil
}

// collect removes an image if no version has it, unless it was written again since it was listed.
func (d *Directory) collect(ctx context.Context, kept Kept) (removed bool, err error) {
	d.recording.Lock()
	defer d.recording.Unlock()
	info, err := os.Stat(d.path(kept.Product, kept.Digest))
	if err != nil || !info.ModTime().Equal(kept.Written) {
		return false, nil //nolint:nilerr // there is nothing to remove
	}
	return d.drop(ctx, kept.Product, kept.Digest)
}
