// Package record encodes fleet's types for Redis.
//
// A packed record (Codec) is a sequence of fields: a tag of one byte, the length as a uvarint,
// the bytes. Fields are in ascending order of their tags. Zero values are left out and unknown
// tags skipped, so fields can be added; tags are never reused or renumbered. A value that is packed again
// has lost those. A device is a hash
// with a field per value instead (AppendDevice, ReadDevice), because scripts read and change
// some of them.
//
// The fields of each type are listed once, in a function that packs and unpacks.
package record
