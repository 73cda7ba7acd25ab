// Package broker carries MQTT: it accepts connections over TCP, TLS and WebSocket, asks a
// Cloud whether a device may come in, hands it what the device publishes, and writes what
// the cloud sends, firmware above all. It hides the MQTT library completely.
//
// One goroutine reads a connection, from CONNECT to its end, and deals with each packet
// before it reads the next. The library (mochi-mqtt) decodes and validates packets; its
// server is not used, and nothing is ever routed from one device to another. Everything
// that goes down is written to the connection by its Link.
//
// session.go is what the cloud sees, with config.go, stats.go and link.go. broker.go,
// listen.go and websocket.go let connections in, end.go ends them; seats.go lets one
// connection per device in at a time. connect.go, read.go, messages.go and will.go are
// what a device may say; socket.go bounds how long a write may take. sender.go, attempt.go,
// vector.go and gather_linux.go write owed chunks; codes.go and packet.go are MQTT's bytes.
package broker
