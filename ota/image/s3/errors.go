package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/muster-iot/muster/fleet"
)

// ErrAway is in the chain of an error if the server does not answer, or answers that it can't now.
var ErrAway = errors.New("the bucket's server is away")

// explain makes an error of a request a sentence that says what to do. It returns ctx's error,
// as it is, if the caller gave up.
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
		return fleet.Errorf(fleet.NotFound, "the object %s does not exist", b.object(name))
	case minio.NoSuchBucket, minio.InvalidBucketName:
		return fleet.Errorf(fleet.Unavailable, "the bucket %s does not exist on %s: create it, or correct images.url", b.name, b.server)
	case "InvalidAccessKeyId", "XAdminUserNotFound", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "XAmzContentSHA256Mismatch":
		return fleet.Errorf(fleet.Unavailable, "%s does not accept the keys (%s): correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN if the keys are temporary", b.server, answer.Code)
	case "RequestTimeTooSkewed", "RequestExpired", "RequestNotReadyYet":
		return fleet.Errorf(fleet.Unavailable, "the clocks of this machine and of %s differ by too much (%s): synchronize both, as with NTP", b.server, answer.Code)
	case minio.AuthorizationHeaderMalformed, minio.InvalidRegion, "PermanentRedirect", "IllegalLocationConstraintException":
		hint := ""
		if answer.Region != "" {
			hint = ", which is " + answer.Region
		}
		return fleet.Errorf(fleet.Unavailable, "the bucket %s is in another region: set region in images.url, or AWS_REGION, to that of the bucket%s", b.name, hint)
	case minio.PreconditionFailed:
		return fleet.Errorf(fleet.Conflict, "the object %s exists", b.object(name))
	case "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull", "InsufficientStorage":
		return fleet.Errorf(fleet.NoSpace, "the bucket %s has no room (%s): delete firmware that is no longer needed, or give it more", b.name, answer.Code)
	}
	switch answer.StatusCode {
	case http.StatusForbidden, http.StatusUnauthorized:
		return fleet.Errorf(fleet.Unavailable, "the keys may not %s objects in %s (%s): correct AWS_ACCESS_KEY_ID, or allow it s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject there",
			verb, b, strings.TrimSuffix(answer.Code, "."))
	case http.StatusInsufficientStorage:
		return fleet.Errorf(fleet.NoSpace, "the bucket %s has no room: delete firmware that is no longer needed, or give it more", b.name)
	}
	if answer.StatusCode >= http.StatusBadRequest && answer.StatusCode < http.StatusInternalServerError &&
		answer.StatusCode != http.StatusRequestTimeout && answer.StatusCode != http.StatusTooManyRequests {
		return fleet.Errorf(fleet.Unavailable, "%s refuses to %s objects in %s, correct images.url or the keys: %s (%s)", b.server, verb, b, answer.Message, answer.Code)
	}
	return b.away(err)
}

func (b *Bucket) away(err error) error {
	return &fleet.Error{
		Kind:  fleet.Unavailable,
		Text:  "the images' server " + b.server + " does not answer as it should: start it, or correct images.url if that is not its address: " + err.Error(),
		Cause: errors.Join(ErrAway, err),
	}
}
