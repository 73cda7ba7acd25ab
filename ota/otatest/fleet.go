// Package otatest has a product with firmware and devices in a real store, for the tests
// of ota and ota/release.
package otatest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/ota/image"
	"github.com/muster-iot/muster/store"
	"github.com/muster-iot/muster/store/storetest"
)

// The first team and product of a new store.
const (
	Team    fleet.TeamID    = 1
	Product fleet.ProductID = 1
)

// Fleet is one product of one team, with its images in a directory. Every method fails
// the test where the store does.
type Fleet struct {
	T      testing.TB
	Store  *store.Store
	Images *image.Directory

	folder string
}

// New makes a fleet without firmware and devices. It is closed at the end of the test.
func New(t testing.TB) *Fleet { return over(t, storetest.Open(t)) }

// InMemory makes a fleet for tests in a synctest bubble.
func InMemory(t testing.TB) *Fleet { return over(t, storetest.InMemory(t)) }

func over(t testing.TB, kept *store.Store) *Fleet {
	t.Helper()
	folder, err := os.MkdirTemp(t.TempDir(), "images")
	if err != nil {
		t.Fatal(err)
	}
	images, err := image.OpenDirectory(folder, kept.Catalogs.Catalog)
	if err != nil {
		t.Fatal(err)
	}
	f := &Fleet{T: t, Store: kept, Images: images, folder: folder}
	owner, err := kept.Teams.CreateUser(f.ctx(), fleet.User{Email: "owner@example.com"})
	f.must(err)
	_, err = kept.Teams.CreateTeam(f.ctx(), fleet.Team{Name: "team"}, fleet.Member{User: owner.ID, Email: owner.Email, Role: fleet.Owner})
	f.must(err)
	_, err = kept.Catalogs.CreateProduct(f.ctx(), fleet.Product{Team: Team, Slug: "widget"})
	f.must(err)
	return f
}

func (f *Fleet) ctx() context.Context { return context.Background() }

func (f *Fleet) must(err error) {
	if err != nil {
		f.T.Helper()
		f.T.Fatal(err)
	}
}

// Version parses a version as a device would report it; "" means none.
func Version(s string) fleet.Version {
	if s == "" {
		return fleet.Version{}
	}
	return fleet.ReportedVersion(s)
}

// AddFirmware uploads an image of size bytes, other ones for each version.
func (f *Fleet) AddFirmware(version string, size int) fleet.Firmware {
	f.T.Helper()
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7 + i>>8 + len(version) + int(version[0]))
	}
	staged, err := f.Images.Stage(f.ctx(), bytes.NewReader(data), int64(size))
	f.must(err)
	firmware := fleet.Firmware{Product: Product, Version: Version(version), Size: staged.Size, Digest: staged.Digest}
	f.must(f.Images.Commit(f.ctx(), Product, staged, func(string) error {
		f.EditCatalog(func(c *fleet.Catalog) { c.Firmware[firmware.Version.Key()] = firmware })
		return nil
	}))
	return firmware
}

// ImageFile is the file of an image.
func (f *Fleet) ImageFile(digest fleet.Digest) string {
	return filepath.Join(f.folder, Product.String(), digest.String())
}

// ImageCount is how many images there are.
func (f *Fleet) ImageCount() int {
	f.T.Helper()
	files, err := filepath.Glob(filepath.Join(f.folder, "*", "*"))
	f.must(err)
	return len(files)
}

// Catalog is the product's catalog.
func (f *Fleet) Catalog() *fleet.Catalog {
	f.T.Helper()
	c, err := f.Store.Catalogs.Catalog(f.ctx(), Product)
	f.must(err)
	return c
}

// EditCatalog changes the catalog without any rule.
func (f *Fleet) EditCatalog(change func(*fleet.Catalog)) {
	f.T.Helper()
	_, err := f.Store.Catalogs.EditCatalog(f.ctx(), Product, func(c *fleet.Catalog) error {
		change(c)
		return nil
	})
	f.must(err)
}

// Clear deletes all devices and ends all releases, and keeps the firmware.
func (f *Fleet) Clear() {
	f.T.Helper()
	ids, err := f.Store.Index.IDs(fleet.DeviceQuery{Actor: fleet.Actor{Team: Team, Role: fleet.Owner}, Product: Product})
	f.must(err)
	for _, id := range ids {
		f.must(f.Store.Devices.Delete(f.ctx(), id.In(1)))
	}
	f.EditCatalog(func(c *fleet.Catalog) {
		c.Default = fleet.Version{}
		clear(c.Groups)
		clear(c.Staged)
		clear(c.Ended)
		for key, firmware := range c.Firmware {
			firmware.WasReleased = false
			c.Firmware[key] = firmware
		}
	})
}

// Default makes a version the product default; "" ends it.
func (f *Fleet) Default(version string) {
	f.T.Helper()
	f.EditCatalog(func(c *fleet.Catalog) { c.Default = Version(version) })
}

// ReleaseTo releases a version to a group.
func (f *Fleet) ReleaseTo(g fleet.GroupID, version string) {
	f.T.Helper()
	f.EditCatalog(func(c *fleet.Catalog) { c.Groups[g] = Version(version) })
}

// Device makes a device that runs a version and takes updates, in place of one with that
// id. Attempts count at the releases as they are now.
func (f *Fleet) Device(id fleet.DeviceID, running string, change ...func(*fleet.Device)) {
	f.T.Helper()
	d := fleet.Device{ID: id, Team: Team, Product: Product, Running: Version(running), UpdatesOn: true}
	for _, c := range change {
		c(&d)
	}
	if d.Attempts != (fleet.Attempts{}) {
		d.Attempts.Since = f.Catalog().Revision
	}
	if err := f.Store.Devices.Delete(f.ctx(), id.In(1)); !errors.Is(err, fleet.NotFound) {
		f.must(err)
	}
	f.must(f.Store.Devices.Create(f.ctx(), &d))
}

// Record is a device as it is stored.
func (f *Fleet) Record(id fleet.DeviceID) fleet.Device {
	f.T.Helper()
	d, err := f.Store.Devices.Device(f.ctx(), id.In(1))
	f.must(err)
	return d
}

// Edit changes a device's record without any rule.
func (f *Fleet) Edit(id fleet.DeviceID, change func(*fleet.Device)) {
	f.T.Helper()
	_, err := f.Store.Devices.Edit(f.ctx(), id.In(1), func(d *fleet.Device) error {
		change(d)
		return nil
	})
	f.must(err)
}

// Save writes a changed record, and ended to the device's history.
func (f *Fleet) Save(d *fleet.Device, ended ...fleet.Update) {
	f.T.Helper()
	_, err := f.Store.Devices.Save(f.ctx(), d, ended...)
	f.must(err)
}

// History is a device's ended updates, newest first.
func (f *Fleet) History(id fleet.DeviceID) []fleet.Update {
	f.T.Helper()
	updates, err := f.Store.Devices.History(f.ctx(), id.In(1))
	f.must(err)
	return updates
}
