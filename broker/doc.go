// Package broker carries MQTT: it accepts connections over TCP, TLS and WebSocket, asks a
// Cloud whether a device may come in, hands it what the device publishes, and writes what
// the cloud sends, firmware above all. It hides the MQTT server library completely.
//
// The library (mochi-mqtt) decodes packets, checks CONNECT, writes CONNACK and keeps the
// keep-alive; nothing is ever routed through it. Everything a device publishes or
// subscribes to ends in the guard (guard.go), everything that goes down is written to the
// connection by its Link. That keeps the library's subscription trie, outbound queue,
// in-flight map, retained messages, wills and session takeover out of reach.
//
// session.go is what the cloud sees, with config.go, stats.go and link.go. broker.go,
// listen.go and websocket.go let connections in, end.go ends them; seats.go lets one
// connection per device in at a time. guard.go, messages.go and will.go are what the
// library may do with a connection, which it knows as socket.go shows it. sender.go and
// vector.go write owed chunks; codes.go and packet.go are MQTT's bytes.
package broker
