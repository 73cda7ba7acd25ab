// Package redisserver runs the Redis that Muster brings itself: a redis-server or
// valkey-server child process (Start), or a server in this process that keeps nothing
// (NewMemory).
//
// It hides how the server is found, configured, reached, restarted and stopped. It sends no
// commands: that is store's part.
package redisserver
