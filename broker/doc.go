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
// Files: broker.go and listen.go, websocket.go let connections in; link.go is one
// connection and everything written to it, sender.go the chunks it owes; socket.go is the
// connection as the library sees it, guard.go what the library may do with it; seats.go
// lets one connection per device in at a time; codes.go and packet.go are MQTT's bytes.
package broker
