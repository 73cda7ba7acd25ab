// Package broker carries MQTT: it accepts connections over TCP, TLS and WebSocket, asks a
// Cloud whether a device may connect, passes on what the device publishes, and writes what
// the cloud sends. It hides the MQTT library completely. DESIGN.md has its promises, states,
// locks and bounds.
//
// One goroutine reads a connection, from CONNECT to its end, and handles each packet before
// it reads the next. The library (mochi-mqtt) decodes and validates packets; its
// server is not used, and nothing is ever routed from one device to another.
//
// session.go is what the cloud sees, with config.go, stats.go and link.go. broker.go,
// listen.go and websocket.go accept connections, end.go ends them; seats.go keeps one
// connection per device. connect.go, read.go, messages.go and will.go are what a device may
// send; codes.go and packet.go are MQTT's bytes. Writing, chunks of firmware above all, is
// broker/chunkio's.
package broker
