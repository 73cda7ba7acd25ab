package configs

import (
	"strings"
	"testing"
)

func TestTheURLOfABucket(t *testing.T) {
	for _, row := range []struct {
		url  string
		want Bucket
		err  string
	}{
		{"", Bucket{}, ""},
		{"s3://images", Bucket{Name: "images"}, ""},
		{"s3://images/", Bucket{Name: "images"}, ""},
		{"s3://images/fleet/a/?region=eu-central-1", Bucket{Name: "images", Prefix: "fleet/a", Region: "eu-central-1"}, ""},
		{"s3://im.ages/a?endpoint=http://127.0.0.1:7070&region=r", Bucket{Name: "im.ages", Prefix: "a", Endpoint: "http://127.0.0.1:7070", Region: "r"}, ""},
		{"https://images.s3.amazonaws.com", Bucket{}, "use s3://BUCKET"},
		{"images", Bucket{}, "use s3://BUCKET"},
		{"s3://", Bucket{}, "a bucket's name has 3 to 63"},
		{"s3://Images", Bucket{}, "a bucket's name has 3 to 63"},
		{"s3://images/a//b", Bucket{}, "the prefix"},
		{"s3://images/a%00", Bucket{}, "the prefix"},
		{"s3://AKIA:topsecret@images/a", Bucket{}, "AWS_ACCESS_KEY_ID"},
		{"s3://images?endpoint=127.0.0.1:7070", Bucket{}, "an endpoint that is not a URL"},
		{"s3://images?endpoint=http://h/path", Bucket{}, "an endpoint that is not a URL"},
		{"s3://images?endpont=http://h", Bucket{}, "only endpoint and region are known"},
		{"s3://images?region=a&region=b", Bucket{}, "each once"},
		{"s3://images?%zz", Bucket{}, "can't be read"},
	} {
		got, err := Images{URL: row.url}.Bucket()
		if row.err == "" {
			if err != nil || got != row.want {
				t.Errorf("%q: got %+v, %v, want %+v", row.url, got, err, row.want)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), row.err) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%q: got %v, want %q", row.url, err, row.err)
		}
	}
}
