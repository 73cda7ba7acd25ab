package cloud

import (
	"errors"
	"path/filepath"

	"github.com/muster-iot/muster/registry/fence"
	"github.com/muster-iot/muster/store/spool"
)

// Sizes of the files that keep what could not be written to Redis, in bytes.
const (
	fencesSize    = 64 << 10 // some thousand batches
	unauditedSize = 1 << 20  // some thousand audit entries
)

// openSpools opens the files of the data folder that keep what Redis does not take. An ephemeral
// server has none.
func (c *Cloud) openSpools() (err error) {
	if c.config.Redis.Ephemeral {
		return nil
	}
	if c.folder.fences, err = spool.Open(filepath.Join(c.config.Data, "fences"), fencesSize); err != nil {
		return err
	}
	if c.folder.unaudited, err = spool.Open(filepath.Join(c.config.Data, "unaudited"), unauditedSize); err != nil {
		return err
	}
	c.folder.begun, c.folder.left, err = spool.OpenSlots(filepath.Join(c.config.Data, "begun"))
	return err
}

// fences returns the journal's fences; a nil interface when there are none.
func (c *Cloud) fences() fence.Kept {
	if c.folder.fences == nil {
		return nil
	}
	return c.folder.fences
}

// closeSpools undoes openSpools, as far as that has come.
func (f *folder) closeSpools() error {
	var errs []error
	for _, s := range []*spool.Spool{f.fences, f.unaudited} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if f.begun != nil {
		errs = append(errs, f.begun.Close())
	}
	return errors.Join(errs...)
}
