// Package sse streams events to HTTP clients as server-sent events (HTML Living Standard,
// section 9.2). It hides the format and the flushing, the signs of life, that rights are read
// again for each event, and how many streams are open.
package sse
