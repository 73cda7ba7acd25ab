// Package jobs keeps background jobs of teams in Redis: what each does, how far it has come, and
// the devices it is about, in parts. What a job does is up to package job.
package jobs
