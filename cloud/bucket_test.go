package cloud_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/wire"
)

// bucket is an S3 server in this process.
type bucket struct {
	url  string
	away atomic.Bool
	gate chan struct{} // images are sent once it is closed
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("images"); err != nil {
		t.Fatal(err)
	}
	b := &bucket{gate: make(chan struct{})}
	fake := gofakes3.New(backend).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.Method == http.MethodGet && path.Base(path.Dir(r.URL.Path)) == "1" { // an image of the first product
			select {
			case <-b.gate:
			case <-r.Context().Done():
				return
			}
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func (b *bucket) with(c *cloud.Config) { c.Images.URL = "s3://images/fleet?endpoint=" + b.url }

func TestAServerWithoutCopiesGetsItsImagesFromTheBucket(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	const size = 700_000
	first := serve(t, b.with)
	first.UploadVersions(size, 1, 2)
	first.ReleaseVersion(2)
	enrolled := first.Enroll("a", "b", "c", "d")
	if images, err := filepath.Glob(filepath.Join(first.Config.Data, "images", "*", "*")); err != nil || len(images) > 0 {
		t.Errorf("got %v, %v in the data folder, want images in the bucket only", images, err)
	}
	first.Stop()
	if err := os.RemoveAll(filepath.Join(first.Config.Data, "copies")); err != nil {
		t.Fatal(err)
	}

	c := cloudtest.Must[*cloud.Cloud](t)(cloud.New(t.Context(), first.Config))
	w := &world{&cloudtest.Server{TB: t, Cloud: c, Config: first.Config, Stop: cloudtest.Run(t, c)}}
	w.Client = cloudtest.SignIn(t, w.URL(""))
	d := w.Dial(enrolled[3])
	d.Hello(1)
	offer := d.ReceiveOffer()
	for range 3 { // the image is on its way, and keeps no connection waiting
		d.Send(wire.TopicWant, 0, wire.Want{Image: offer.Image(), Count: 8}.Encode())
		d.SendMessage("status", "alive")
	}
	f := w.Simulate(simulator.Config{Devices: enrolled[:3]})
	cloudtest.WaitOnline(t, f)
	if s := f.Snapshot(); s.Bytes > 0 {
		t.Errorf("got %d bytes of an image that nobody has", s.Bytes)
	}
	close(b.gate)
	cloudtest.WaitForVersion(t, f, 2)
	cloudtest.VerifyImages(t, f, 2, size)
	if s := f.Snapshot().Totals; s.Failed+s.RolledBack != 0 || w.Record("a").Attempts.Spent != 0 {
		t.Errorf("it cost attempts: %+v", s)
	}
	if fetches := w.Metric("muster_image_fetches_total"); fetches != 1 {
		t.Errorf("got %v fetches, want 1", fetches)
	}
	alerts := cloudtest.Must[api.Page[api.Alert]](t)(w.Alerts(t.Context(), api.AlertFilter{}))
	if len(alerts.Items) > 0 {
		t.Errorf("got alerts %+v: a fetch is not a fault", alerts.Items)
	}
}

func TestABucketThatIsAwayDelaysReleasesOnly(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	close(b.gate)
	w := serve(t, b.with)
	w.UploadVersions(20_000, 1, 2)
	w.ReleaseVersion(2)
	b.away.Store(true)
	f := w.Simulate(simulator.Config{Devices: w.Enroll("a", "b")})
	cloudtest.WaitForVersion(t, f, 2)
	cloudtest.VerifyExact(t, f, 2, 20_000)
	yes := true
	if _, err := w.Release(t.Context(), cloudtest.Lamp, api.Release{Version: cloudtest.Whole(1), Default: &yes}); err == nil || !strings.Contains(err.Error(), "version 1 is not released, because its image can't be read") {
		t.Errorf("release: got %v, want a sentence", err)
	} else if strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("release: %v names a host", err)
	}
	cloudtest.Until(t, "it is noticed", func() bool { return w.Metric("muster_images_ready") == 0 })
	response := cloudtest.Must[*http.Response](t)(http.Get(w.URL("/readyz"))) //nolint:forbidigo,noctx // of this process
	defer response.Body.Close()
	if text := cloudtest.Must[[]byte](t)(io.ReadAll(response.Body)); response.StatusCode != http.StatusOK || !strings.Contains(string(text), "bucket of images can't be used") {
		t.Errorf("/readyz: got %d %s, want 200 with the reason", response.StatusCode, text)
	}
	b.away.Store(false)
	w.ReleaseVersion(1)
}
