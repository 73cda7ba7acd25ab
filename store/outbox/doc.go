// Package outbox keeps what teams want to be notified of, and the notifications until they are
// delivered, in Redis. It hides keys and scripts; what its texts mean is up to package notify.
package outbox
