// Package siege tests a whole server while strangers do their worst from one address: devices
// and the owner have to get through, and memory, descriptors and temporary files stay bounded.
//
// `make siege` runs it at its full size in less than three minutes, and prints its figures.
// Everything stays on loopback.
package siege
