// Package s3 keeps objects in a bucket of Amazon S3 or of a server that speaks its protocol. It
// is the only package that does, and hides the client library, its retries and its errors: those
// of this package say in a sentence what is wrong and what to do.
package s3
