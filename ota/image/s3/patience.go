package s3

import (
	"context"
	"errors"
	"io"
	"time"
)

// silence is how long the server may send and take nothing. A transfer that makes progress may
// take any time.
const silence = 30 * time.Second

var errSilent = errors.New("no answer for " + silence.String())

// patience ends a request once the server was silent for too long.
type patience struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// patient returns a context for one request. The caller ends it.
func patient(ctx context.Context) (context.Context, *patience) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &patience{timer: time.AfterFunc(silence, func() { cancel(errSilent) }), cancel: cancel}
}

// progress begins the wait again.
func (p *patience) progress() { p.timer.Reset(silence) }

func (p *patience) end() {
	p.timer.Stop()
	p.cancel(nil)
}

// progress is a body on its way to the server. It can be sent again.
type progress struct {
	io.Reader
	p *patience
}

// Read implements io.Reader.
func (r *progress) Read(b []byte) (int, error) {
	r.p.progress()
	return r.Reader.Read(b)
}

// Seek implements io.Seeker.
func (r *progress) Seek(offset int64, whence int) (int64, error) {
	return r.Reader.(io.Seeker).Seek(offset, whence)
}

// download is a body on its way from the server.
type download struct {
	body    io.ReadCloser
	p       *patience
	explain func(error) error
}

// Read implements io.Reader.
func (d *download) Read(b []byte) (int, error) {
	n, err := d.body.Read(b)
	if n > 0 {
		d.p.progress()
	}
	if err != nil && err != io.EOF { //nolint:errorlint // as io.Reader has it
		err = d.explain(err)
	}
	return n, err
}

// Close implements io.Closer.
func (d *download) Close() error {
	d.p.end()
	return d.body.Close()
}
