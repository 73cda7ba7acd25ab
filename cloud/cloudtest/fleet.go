package cloudtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// haste divides the time that simulated reboots and reconnects take.
const haste = 50

// Image is the firmware image of one version, of size bytes: the same for every caller.
func Image(version uint32, size int) []byte {
	noise := rand.NewPCG(uint64(version), 1)
	data := fmt.Appendf(nil, "lamp %d\n", version)
	for len(data) < size {
		data = binary.LittleEndian.AppendUint64(data, noise.Uint64())
	}
	return data[:size]
}

// Whole is the version without a suffix, as the API spells it.
func Whole(n uint32) api.Version { return api.Version{Version: fleet.WholeVersion(n)} }

// UploadVersions uploads versions, each with an image of size bytes.
func UploadVersions(t testing.TB, client *client.Client, size int, versions ...uint32) {
	t.Helper()
	for _, v := range versions {
		f := api.NewFirmware{Version: Whole(v), Title: "Lamp"}
		if _, err := client.Upload(t.Context(), Lamp, f, bytes.NewReader(Image(v, size))); err != nil {
			t.Fatal(err)
		}
	}
}

// UploadVersions uploads versions, each with an image of size bytes.
func (s *Server) UploadVersions(size int, versions ...uint32) {
	s.Helper()
	UploadVersions(s, s.Client, size, versions...)
}

// ReleaseVersion releases version as the product default, unless edits override that.
func (s *Server) ReleaseVersion(version uint32, edits ...func(*api.Release)) {
	s.Helper()
	ReleaseVersion(s, s.Client, version, edits...)
}

// ReleaseVersion releases version as the product default, unless edits override that.
func ReleaseVersion(t testing.TB, client *client.Client, version uint32, edits ...func(*api.Release)) {
	t.Helper()
	r := api.Release{Version: Whole(version)}
	for _, edit := range edits {
		edit(&r)
	}
	if _, err := client.Release(t.Context(), Lamp, r); err != nil {
		t.Fatal(err)
	}
}

// Intelligent makes a release reach devices that are online at once.
func Intelligent(r *api.Release) { r.Intelligent = true }

// EditDevice changes one device.
func (s *Server) EditDevice(id fleet.DeviceID, u api.DeviceUpdate) {
	s.Helper()
	if _, err := s.UpdateDevice(s.Context(), Lamp, id.String(), u); err != nil {
		s.Fatal(err)
	}
}

// SetProduct changes the settings of the product, past the API and its rights.
func (s *Server) SetProduct(change func(*fleet.Product)) {
	s.Helper()
	p := Must[api.Product](s)(s.Product(s.Context(), Lamp))
	_, err := s.Cloud.Store().Catalogs.EditCatalog(s.Context(), fleet.ProductID(p.ID), func(c *fleet.Catalog) error {
		change(&c.Product)
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
}

// Enroll imports devices and returns their credentials.
func Enroll(t testing.TB, client *client.Client, ids ...fleet.DeviceID) []simulator.Credential {
	t.Helper()
	list := api.NewDevices{}
	for _, id := range ids {
		list.IDs = append(list.IDs, id.String())
	}
	imported, err := client.Import(t.Context(), Lamp, list)
	if err != nil {
		t.Fatal(err)
	}
	credentials := make([]simulator.Credential, len(ids))
	for i, id := range ids {
		credentials[i] = simulator.Credential{ID: id, Secret: imported.Secrets[id.String()]}
	}
	return credentials
}

// Enroll imports devices and returns their credentials.
func (s *Server) Enroll(ids ...fleet.DeviceID) []simulator.Credential {
	s.Helper()
	return Enroll(s, s.Client, ids...)
}

// EnrollBehind imports BLE devices attached to gateway, which becomes one by that.
func (s *Server) EnrollBehind(gateway fleet.DeviceID, ids ...fleet.DeviceID) {
	s.Helper()
	list := api.NewDevices{Gateway: gateway.String()}
	for _, id := range ids {
		list.IDs = append(list.IDs, id.String())
	}
	if got := Must[api.Imported](s)(s.Import(s.Context(), Lamp, list)); got.Updated != len(ids) {
		s.Fatalf("imported %v of %v", got.Updated, ids)
	}
}

// EnrollGateways enrolls devices and makes them gateways, each with one BLE device: g has g-0.
func (s *Server) EnrollGateways(ids ...fleet.DeviceID) []simulator.Credential {
	s.Helper()
	credentials := s.Enroll(ids...)
	for _, id := range ids {
		s.EnrollBehind(id, id+"-0")
	}
	return credentials
}

// Record loads a device's record.
func (s *Server) Record(id fleet.DeviceID) fleet.Device {
	s.Helper()
	return Must[fleet.Device](s)(s.Cloud.Store().Devices.Device(s.Context(), id.In(1)))
}

// Online reports whether the API lists the device as online; an unknown one is not.
func (s *Server) Online(id fleet.DeviceID) bool {
	s.Helper()
	d, err := s.Device(s.Context(), id.String())
	if err != nil && !errors.Is(err, fleet.NotFound) {
		s.Fatal(err)
	}
	return err == nil && d.Online
}

// Broker is where the server's devices connect to.
func (s *Server) Broker() mqttlite.Broker {
	return mqttlite.Broker{Scheme: "tcp", Host: s.Cloud.Addresses().MQTT}
}

// Simulate runs a fleet until the test ends; a config without a broker gets the server's.
func (s *Server) Simulate(config simulator.Config) *simulator.Fleet {
	s.Helper()
	if config.Broker.Dialer == nil {
		config.Broker = s.Broker()
	}
	return Simulate(s, config)
}

// Simulate runs a fleet until the test ends.
func Simulate(t testing.TB, config simulator.Config) *simulator.Fleet {
	t.Helper()
	config.Haste = cmp.Or(config.Haste, haste)
	f, err := simulator.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { f.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		run.Wait()
	})
	return f
}

// WaitOnline waits until all of f have completed a handshake.
func WaitOnline(t testing.TB, f *simulator.Fleet) {
	t.Helper()
	Until(t, "every device has completed a handshake", func() bool {
		s := f.Snapshot()
		return s.Online == s.Devices
	})
}

// WaitForVersion waits until all of f run version and are online with it.
func WaitForVersion(t testing.TB, f *simulator.Fleet, version uint32) {
	t.Helper()
	var s simulator.Snapshot
	defer func() {
		if t.Failed() {
			t.Logf("last seen: %+v", s)
		}
	}()
	Until(t, fmt.Sprintf("every device runs version %d", version), func() bool {
		s = f.Snapshot()
		return s.Online == s.Devices && s.Versions[fmt.Sprint(version)] == s.Devices
	})
}

// VerifyExact verifies that all of f run version, byte by byte as it was uploaded with size
// bytes, and received no chunk twice.
func VerifyExact(t testing.TB, f *simulator.Fleet, version uint32, size int) {
	t.Helper()
	VerifyImages(t, f, version, size)
	if s := f.Snapshot().Totals; s.Duplicates != 0 || s.Malformed != 0 {
		t.Errorf("%d chunks came twice, %d messages could not be read", s.Duplicates, s.Malformed)
	}
}

// VerifyImages verifies that all of f run version, byte by byte as it was uploaded with size
// bytes.
func VerifyImages(t testing.TB, f *simulator.Fleet, version uint32, size int) {
	t.Helper()
	want := simulator.Expectation{Version: fleet.WholeVersion(version), Digest: sha256.Sum256(Image(version, size))}
	if v := f.Verdict(func(fleet.DeviceID) (simulator.Expectation, bool) { return want, true }); !v.OK {
		t.Errorf("verdict: %+v", v.Wrong)
	}
}
