// Package image keeps firmware images and turns them into the chunks that devices get. It
// hides where images are kept, how an upload becomes visible in one step, and which chunks
// are in memory.
package image
