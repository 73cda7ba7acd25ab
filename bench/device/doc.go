// Package device plays the devices of a benchmark: they shake hands, and download as fast as they
// can or at a pace of their own.
package device
