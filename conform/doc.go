// Package conform is a test bench for device firmware: it stands where the server stands,
// aims each behavior of docs/protocol.md at one device, and reports which rules the device
// kept.
//
// Bench accepts the device's connections with the same broker that serves fleets, behind a
// tap that sees QoS and can cut the connection at any byte (tap.go). A Case is one behavior
// (cases_*.go); it talks to the device through a trial (trial.go), whose methods end the
// case when the device breaks a rule. Report holds the results as text and as JUnit XML.
// coverage_test.go lists every *must* of the protocol with the cases that check it.
package conform
