// Package job changes many devices in the background: a job has its devices from its start on, goes
// through them part by part, outlives the process, and has one entry in the audit log
// (docs/adr/0038).
package job
