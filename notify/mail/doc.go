// Package mail sends mail by the SMTP server that the operator configured. It hides the library,
// encodings, and how a connection is secured and authenticated.
package mail
