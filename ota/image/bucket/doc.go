// Package bucket keeps firmware images in an S3 bucket, for servers that share them, with copies
// on disk from which chunks are made. It hides the objects' names, when an image is fetched,
// which copies are dropped when there are too many, and what becomes of objects that no version
// has.
package bucket
