// Package route turns functions into the operations of an HTTP API.
//
// It hides huma, the router and the OpenAPI document: a Route names a function with its
// path and the right it needs, and Serve makes a handler of tables of routes. Serve checks
// tokens and rights before a function runs, reads bodies (JSON or forms) and queries
// strictly, answers errors as JSON, and replays answers to requests with an
// Idempotency-Key. It is independent of devices.
package route
