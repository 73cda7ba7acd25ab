package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/muster-iot/muster/fleet"
)

// What any user may see. Hosts, buckets and codes are for the operator of the server.
const (
	// Unusable is the text of most errors.
	Unusable = "the bucket of images can't be used now: try again later; the server's log says why"
	missing  = "its object is missing in the bucket: restore it, or upload the image again as another version"
	noRoom   = "the bucket of images has no room: delete firmware that is no longer needed, or give it more"
)

// detail is the cause of an error, in a sentence for the operator of the server.
type detail struct{ error }

// Unwrap makes errors.Is find what the sentence is about.
func (d detail) Unwrap() error { return errors.Unwrap(d.error) }

func fault(kind fleet.Kind, text, format string, args ...any) error {
	return &fleet.Error{Kind: kind, Text: text, Cause: detail{fmt.Errorf(format, args...)}}
}

// Detail returns the text of err for the operator of the server; its own text is what any user may see.
func Detail(err error) string {
	var d detail
	if errors.As(err, &d) {
		return d.Error()
	}
	return err.Error()
}

// ErrAway is in the chain of an error if the server does not answer, or answers that it can't now.
var ErrAway = errors.New("the bucket's server is away")

// explain makes an error of a request a sentence that says what to do, and one that any user may
// see. It returns ctx's error, as it is, if the caller gave up.
func (b *Bucket) explain(ctx context.Context, verb, name string, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		err = errSilent
	} else if cause != nil {
		return cause
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return b.away(err)
	}
	switch answer.Code {
	case minio.NoSuchKey:
		return fault(fleet.NotFound, missing, "the object %s does not exist", b.object(name))
	case minio.NoSuchBucket, minio.InvalidBucketName:
		return fault(fleet.Unavailable, Unusable, "the bucket %s does not exist on %s: create it, or correct images.url", b.name, b.server)
	case "InvalidAccessKeyId", "XAdminUserNotFound", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "XAmzContentSHA256Mismatch":
		return fault(fleet.Unavailable, Unusable, "%s does not accept the keys (%s): correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN if the keys are temporary", b.server, answer.Code)
	case "RequestTimeTooSkewed", "RequestExpired", "RequestNotReadyYet":
		return fault(fleet.Unavailable, Unusable, "the clocks of this machine and of %s differ by too much (%s): synchronize both, as with NTP", b.server, answer.Code)
	case minio.AuthorizationHeaderMalformed, minio.InvalidRegion, "PermanentRedirect", "IllegalLocationConstraintException":
		hint := ""
		if answer.Region != "" {
			hint = ", which is " + answer.Region
		}
		return fault(fleet.Unavailable, Unusable, "the bucket %s is in another region: set region in images.url, or AWS_REGION, to that of the bucket%s", b.name, hint)
	case minio.PreconditionFailed:
		return fault(fleet.Conflict, "the object exists", "the object %s exists", b.object(name))
	case "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull", "InsufficientStorage":
		return fault(fleet.NoSpace, noRoom, "the bucket %s has no room (%s): delete firmware that is no longer needed, or give it more", b.name, answer.Code)
	}
	switch answer.StatusCode {
	case http.StatusForbidden, http.StatusUnauthorized:
		return fault(fleet.Unavailable, Unusable, "the keys may not %s objects in %s (%s): correct AWS_ACCESS_KEY_ID, or allow it s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject there",
			verb, b, strings.TrimSuffix(answer.Code, "."))
	case http.StatusInsufficientStorage:
		return fault(fleet.NoSpace, noRoom, "the bucket %s has no room: delete firmware that is no longer needed, or give it more", b.name)
	}
	if answer.StatusCode >= http.StatusBadRequest && answer.StatusCode < http.StatusInternalServerError &&
		answer.StatusCode != http.StatusRequestTimeout && answer.StatusCode != http.StatusTooManyRequests {
		return fault(fleet.Unavailable, Unusable, "%s refuses to %s objects in %s, correct images.url or the keys: %s (%s)", b.server, verb, b, answer.Message, answer.Code)
	}
	return b.away(err)
}

func (b *Bucket) away(err error) error {
	return fault(fleet.Unavailable, Unusable, "the images' server %s does not answer as it should: start it, or correct images.url if that is not its address: %w", b.server, errors.Join(ErrAway, err))
}
