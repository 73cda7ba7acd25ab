// Command bench measures Muster side by side with Mosquitto, one benchmark per command
// (docs/benchmarks.md). It hides how a server under test is started, loaded and measured:
// each server is a process of its own, driven over its ports and, for Muster, REST, by the
// same load generator; memory and CPU are what the kernel counts for that process.
//
// Everything listens on loopback only, keeps its files in one temporary directory, and is
// stopped by its process id when the benchmark ends.
package main
