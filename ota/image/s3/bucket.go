package s3

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/muster-iot/muster/fleet"
)

// Options name a bucket.
type Options struct {
	Bucket   string
	Prefix   string // of the names of all objects, without slashes at its ends; may be ""
	Endpoint string // URL of the server; "": AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or Amazon's of Region
	Region   string // "": AWS_REGION, AWS_DEFAULT_REGION, or us-east-1
}

// attempts is how often a request is sent at most.
const attempts = 3

// Bucket is the objects of one bucket whose names begin with one prefix. It is safe for
// concurrent use. Names are given and returned without the prefix.
//
// Errors: fleet.NotFound for an object that does not exist, fleet.NoSpace, and otherwise
// fleet.Unavailable, which is ErrAway if the server does not answer.
type Bucket struct {
	client *minio.Core
	idle   func() // closes idle connections
	name   string
	prefix string // "" or with a slash at its end
	server string // for people
}

// Object is one object.
type Object struct {
	Name    string
	Size    int64     // bytes
	Written time.Time // by the server's clock
}

// Open returns a bucket and sends nothing yet. The keys are those of AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or of the role that the environment names
// (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI).
func Open(o Options) (*Bucket, error) {
	region := cmp.Or(o.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
	address := cmp.Or(o.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), "https://s3."+region+".amazonaws.com")
	endpoint, err := url.Parse(address)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" || strings.Trim(endpoint.Path, "/") != "" {
		return nil, fleet.Errorf(fleet.Invalid, "the endpoint %q of the bucket is not a URL such as https://s3.example.com:9000", address)
	}
	keys, err := keys()
	if err != nil {
		return nil, err
	}
	transport, err := minio.DefaultTransport(endpoint.Scheme == "https")
	if err != nil {
		return nil, err
	}
	transport.ResponseHeaderTimeout = silence
	client, err := minio.NewCore(endpoint.Host, &minio.Options{
		Creds: keys, Secure: endpoint.Scheme == "https", Region: region, Transport: transport, MaxRetries: attempts,
	})
	if err != nil {
		return nil, fleet.Errorf(fleet.Invalid, "the endpoint %q of the bucket can't be used: %s", address, err)
	}
	prefix := o.Prefix
	if prefix != "" {
		prefix += "/"
	}
	return &Bucket{client: client, idle: transport.CloseIdleConnections, name: o.Bucket, prefix: prefix, server: address}, nil
}

// Close closes idle connections.
func (b *Bucket) Close() { b.idle() }

// keys returns the keys that the environment names.
func keys() (*credentials.Credentials, error) {
	first := func(names ...string) bool {
		for _, name := range names {
			if os.Getenv(name) != "" {
				return true
			}
		}
		return false
	}
	switch {
	case first("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY") && first("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"):
		return credentials.NewEnvAWS(), nil
	case first("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
		return credentials.NewIAM(""), nil
	}
	return nil, fleet.Errorf(fleet.Invalid, "there are no keys for the bucket of images: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
}

// String returns the bucket's URL without its server.
func (b *Bucket) String() string { return "s3://" + path.Join(b.name, b.prefix) }

// Put writes an object in one step: it appears whole, or not at all. The server rejects other
// bytes than those of digest, the SHA-256. With once, Put leaves an object that exists as it is
// and returns fleet.Conflict, on servers that support conditional writes.
func (b *Bucket) Put(ctx context.Context, name string, body io.ReaderAt, size int64, digest fleet.Digest, once bool) error {
	ctx, p := patient(ctx)
	defer p.end()
	options := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableContentSha256: true} // which would be computed again
	if once {
		options.SetMatchETagExcept("*")
	}
	reader := &progress{Reader: io.NewSectionReader(body, 0, size), p: p}
	_, err := b.client.PutObject(ctx, b.name, b.prefix+name, reader, size, "", hex.EncodeToString(digest[:]), options)
	return b.explain(ctx, "write", name, err)
}

// Get opens an object. The caller closes body; it ends with an error when the server stops
// sending.
func (b *Bucket) Get(ctx context.Context, name string) (body io.ReadCloser, size int64, err error) {
	ctx, p := patient(ctx)
	response, info, _, err := b.client.GetObject(ctx, b.name, b.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		defer p.end()
		return nil, 0, b.explain(ctx, "read", name, err)
	}
	return &download{body: response, p: p, explain: func(err error) error { return b.explain(ctx, "read", name, err) }}, info.Size, nil
}

// Stat looks at an object.
func (b *Bucket) Stat(ctx context.Context, name string) (Object, error) {
	ctx, p := patient(ctx)
	defer p.end()
	info, err := b.client.StatObject(ctx, b.name, b.prefix+name, minio.StatObjectOptions{})
	return Object{Name: name, Size: info.Size, Written: info.LastModified}, b.explain(ctx, "read", name, err)
}

// Delete removes an object; removing one that does not exist is not an error.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	ctx, p := patient(ctx)
	defer p.end()
	err := b.client.RemoveObject(ctx, b.name, b.prefix+name, minio.RemoveObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil
	}
	return b.explain(ctx, "delete", name, err)
}

// List calls each for all objects, and returns its first error.
func (b *Bucket) List(ctx context.Context, each func(Object) error) error {
	ctx, p := patient(ctx)
	defer p.end()
	for info := range b.client.Client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix, Recursive: true}) {
		if info.Err != nil {
			return b.explain(ctx, "list", "", info.Err)
		}
		p.progress()
		if err := each(Object{Name: strings.TrimPrefix(info.Key, b.prefix), Size: info.Size, Written: info.LastModified}); err != nil {
			return err
		}
	}
	return b.explain(ctx, "list", "", ctx.Err())
}

// object is an object's name for people.
func (b *Bucket) object(name string) string {
	return fmt.Sprintf("s3://%s/%s%s", b.name, b.prefix, name)
}
