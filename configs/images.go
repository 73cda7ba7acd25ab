package configs

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Images is where firmware images are kept: without a URL, in Config.Data.
type Images struct {
	URL   string // s3://BUCKET/PREFIX?endpoint=URL&region=NAME
	Cache Size   // of copies on disk of images in the bucket
}

// Bucket is what Images.URL names.
type Bucket struct {
	Name     string // "": none, images are kept in Config.Data
	Prefix   string // without slashes at its ends
	Endpoint string // URL, "" for the default
	Region   string // "" for the default
}

var (
	bucketName   = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	bucketPrefix = regexp.MustCompile(`^[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*$`)
)

// Bucket returns what i.URL names. Its errors are sentences without what may be a secret.
func (i Images) Bucket() (Bucket, error) {
	if i.URL == "" {
		return Bucket{}, nil
	}
	u, err := url.Parse(i.URL)
	if err != nil || u.Scheme != "s3" || u.Opaque != "" || u.Fragment != "" {
		return Bucket{}, fmt.Errorf("images.url is not one: use s3://BUCKET or s3://BUCKET/PREFIX, and for a server other than Amazon's ?endpoint=http://HOST:PORT")
	}
	if u.User != nil {
		return Bucket{}, fmt.Errorf("images.url has keys in it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment instead")
	}
	b := Bucket{Name: u.Host, Prefix: strings.Trim(u.Path, "/")}
	if !bucketName.MatchString(b.Name) {
		return b, fmt.Errorf("images.url names the bucket %.80q: a bucket's name has 3 to 63 lower-case letters, digits, hyphens and dots", b.Name)
	}
	if b.Prefix != "" && !bucketPrefix.MatchString(b.Prefix) {
		return b, fmt.Errorf("images.url has the prefix %.80q: use letters, digits, and - _ . between slashes", b.Prefix)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return b, fmt.Errorf("images.url has a query that can't be read: write it as ?endpoint=http://HOST:PORT&region=NAME")
	}
	for name, values := range query {
		at := map[string]*string{"endpoint": &b.Endpoint, "region": &b.Region}[name]
		if at == nil || len(values) != 1 {
			return b, fmt.Errorf("images.url has %.40q: only endpoint and region are known, each once", name)
		}
		*at = values[0]
	}
	if b.Endpoint != "" && !publicURL(b.Endpoint) {
		return b, fmt.Errorf("images.url has an endpoint that is not a URL: use https://HOST or http://HOST, with a port if need be")
	}
	return b, nil
}

// maxObject is how many bytes S3 takes in one request.
const maxObject = Size(5 << 30)

func (c *Config) validateImages(v *verdict) {
	b, err := c.Images.Bucket()
	if err != nil {
		*v = append(*v, err)
		return
	}
	if b.Name == "" {
		return
	}
	v.require(!c.Redis.Ephemeral, "images.url and redis.ephemeral are both set: an ephemeral fleet keeps its images in a temporary folder; leave one of them out")
	v.require(c.Images.Cache >= c.OTA.MaxImage, "images.cache is %s: use ota.max_image, %s, or more", c.Images.Cache, c.OTA.MaxImage)
	v.require(c.OTA.MaxImage <= maxObject, "ota.max_image is %s: a bucket takes %s in one object", c.OTA.MaxImage, maxObject)
}
